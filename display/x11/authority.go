package x11

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// MaxAuthority is how much of an Xauthority file is read, in bytes.
const MaxAuthority = 1 << 20

// Families of addresses in an Xauthority file (X11/Xauth.h) that are treated
// apart.
const (
	FamilyLocal = 256
	FamilyWild  = 65535
)

// CookieName is the one protocol for local displays that every client knows.
// XDM-AUTHORIZATION-1 is for terminals of other machines; Select keeps it for those.
const CookieName = "MIT-MAGIC-COOKIE-1"

// Entry is a record of an Xauthority file. All strings are raw bytes.
type Entry struct {
	Family  uint16
	Address string
	Number  string // of the display, decimal; "" is every one
	Name    string // of the authorisation protocol
	Data    string // the cookie
}

// ParseAuthority reads the records of an Xauthority file (libXau, AuRead.c):
// family and four strings behind their lengths, numbers in 16 bits, big-endian.
// A truncated record ends it, as it does for clients.
func ParseAuthority(data []byte) []Entry {
	var entries []Entry
	for len(data) >= 2 {
		e := Entry{Family: binary.BigEndian.Uint16(data)}
		data = data[2:]
		for _, field := range []*string{&e.Address, &e.Number, &e.Name, &e.Data} {
			if len(data) < 2 {
				return entries
			}
			n := int(binary.BigEndian.Uint16(data))
			if data = data[2:]; len(data) < n {
				return entries
			}
			*field, data = string(data[:n]), data[n:]
		}
		entries = append(entries, e)
	}
	return entries
}

// FormatAuthority writes the records of an Xauthority file. An entry that does
// not fit, which none from ParseAuthority does, is left out.
func FormatAuthority(entries []Entry) []byte {
	var data []byte
	for _, e := range entries {
		if max(len(e.Address), len(e.Number), len(e.Name), len(e.Data)) > 0xffff {
			continue
		}
		data = binary.BigEndian.AppendUint16(data, e.Family)
		for _, field := range []string{e.Address, e.Number, e.Name, e.Data} {
			data = binary.BigEndian.AppendUint16(data, uint16(len(field)))
			data = append(data, field...)
		}
	}
	return data
}

// AnyOwner lets ReadAuthority read a file of whoever it is.
const AnyOwner = -1

// ReadAuthority reads the Xauthority file at p: a regular file that owner owns.
// It never blocks. flags may be unix.O_NOFOLLOW, for a file nobody named.
func ReadAuthority(p session.HostPath, owner, flags int) ([]Entry, error) {
	f, err := os.OpenFile(string(p), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
	case !st.Mode().IsRegular():
		err = errors.New("not a regular file")
	case owner != AnyOwner && session.Owner(st) != owner:
		err = errors.New("it belongs to somebody else")
	case st.Size() > MaxAuthority:
		err = errors.New("too large")
	}
	if err != nil {
		return nil, &os.PathError{Op: "read", Path: string(p), Err: err}
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxAuthority))
	return ParseAuthority(data), err
}

// Select returns what a client of d finds in entries, for a file that only
// serves d. host is gethostname(2), local is $XAUTHLOCALHOSTNAME, which takes
// its place for clients of SUSE.
//
// A local display has one entry, the first that matches, and its address is
// made wild: whatever the host is called inside or becomes, it still matches.
// For a remote one the address of the server decides, which is not known yet:
// all entries of its number are returned as they are.
func Select(entries []Entry, d Display, host, local string) []Entry {
	if d.Remote() {
		var found []Entry
		for _, e := range entries {
			if e.Family != FamilyLocal && e.serves(d) {
				found = append(found, e)
			}
		}
		return found
	}
	for _, e := range entries {
		if e.Name != CookieName || !e.serves(d) {
			continue
		}
		if e.Family == FamilyWild ||
			e.Family == FamilyLocal && (e.Address == host || local != "" && e.Address == local) {
			return []Entry{e.wild()}
		}
	}
	return nil
}

// SelectRenamed returns the last entry for the local display d under whatever
// host name: what is left when the host was renamed after login. A wrong cookie
// does no harm, servers then go by their host list (xserver, os/connection.c).
func SelectRenamed(entries []Entry, d Display) []Entry {
	if d.Remote() {
		return nil
	}
	for i := len(entries) - 1; i >= 0; i-- {
		if e := entries[i]; e.Name == CookieName && e.Family == FamilyLocal && e.serves(d) {
			return []Entry{e.wild()}
		}
	}
	return nil
}

// serves compares numbers. That of a display given by path is 0, as in libxcb.
func (e Entry) serves(d Display) bool {
	return e.Number == "" || e.Number == strconv.Itoa(d.Number)
}

func (e Entry) wild() Entry {
	e.Family, e.Address = FamilyWild, ""
	return e
}
