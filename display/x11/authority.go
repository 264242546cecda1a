package x11

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// MaxAuthority is the maximum size of an Xauthority file in bytes.
const MaxAuthority = 1 << 20

// The address families in an Xauthority file (X11/Xauth.h) that need special
// treatment.
const (
	FamilyLocal = 256
	FamilyWild  = 65535
)

// CookieName is the only authorization protocol for local displays that every
// client knows. XDM-AUTHORIZATION-1 is for remote displays; SelectEntries keeps
// it for those.
const CookieName = "MIT-MAGIC-COOKIE-1"

// Entry is a record of an Xauthority file. All strings are raw bytes.
type Entry struct {
	Family  uint16
	Address string
	Number  string // the display number in decimal; "" matches every display
	Name    string // the authorization protocol
	Data    string // the cookie
}

// ParseAuthority reads the records of an Xauthority file (libXau, AuRead.c):
// family, then four strings, each after its length. Numbers have 16 bits and are
// big-endian. A truncated record ends the list, as it does for clients.
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

// FormatAuthority returns the contents of an Xauthority file. It leaves out
// entries with a string of 64 KiB or more, which ParseAuthority never returns.
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

// AnyOwner lets ReadAuthority read a file of any user.
const AnyOwner = -1

// ReadAuthority reads the Xauthority file p. It must be a regular file of the
// user owner. ReadAuthority never blocks. flags may be unix.O_NOFOLLOW.
func ReadAuthority(p session.HostPath, owner, flags int) ([]Entry, error) {
	fd, err := unix.Open(string(p), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: string(p), Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	switch {
	case err != nil:
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		err = errors.New("it is not a regular file")
	case owner != AnyOwner && int(st.Uid) != owner:
		err = errors.New("it belongs to another user")
	case st.Size > MaxAuthority:
		err = errors.New("it is too large")
	}
	data := make([]byte, 0, max(st.Size, 0)+1)
	for n := 1; err == nil && n > 0 && len(data) < cap(data); {
		n, err = unix.Read(fd, data[len(data):cap(data)])
		data = data[:len(data)+max(n, 0)]
	}
	if err != nil {
		return nil, &os.PathError{Op: "read", Path: string(p), Err: err}
	}
	return ParseAuthority(data), nil
}

// SelectEntries returns the entries that a client of d would use, for a file that
// is only for d. host is gethostname(2). local is $XAUTHLOCALHOSTNAME, which
// clients on SUSE use instead.
//
// For a local display it returns the first entry that matches, with a wildcard
// address, so that it matches whatever the hostname is inside and even if it
// changes. For a remote display, clients compare the address of the server,
// which is not known yet: all entries with the display's number are returned
// unchanged.
func SelectEntries(entries []Entry, d Display, host, local string) []Entry {
	if d.IsRemote() {
		var found []Entry
		for _, e := range entries {
			if e.Family != FamilyLocal && e.matchesNumber(d) {
				found = append(found, e)
			}
		}
		return found
	}
	for _, e := range entries {
		if e.Name != CookieName || !e.matchesNumber(d) {
			continue
		}
		if e.Family == FamilyWild ||
			e.Family == FamilyLocal && (e.Address == host || local != "" && e.Address == local) {
			return []Entry{e.withWildcard()}
		}
	}
	return nil
}

// SelectRenamedEntries returns the last entry for the local display d with any
// hostname. It finds the cookie if the host was renamed after login. A wrong
// cookie does no harm: the server then checks its host list (xserver,
// os/connection.c).
func SelectRenamedEntries(entries []Entry, d Display) []Entry {
	if d.IsRemote() {
		return nil
	}
	for i := len(entries) - 1; i >= 0; i-- {
		if e := entries[i]; e.Name == CookieName && e.Family == FamilyLocal && e.matchesNumber(d) {
			return []Entry{e.withWildcard()}
		}
	}
	return nil
}

// ChangeNumber returns the entries for another display number.
func ChangeNumber(entries []Entry, number int) []Entry {
	changed := slices.Clone(entries)
	for i := range changed {
		changed[i].Number = strconv.Itoa(number)
	}
	return changed
}

// matchesNumber reports whether e is for the display number of d. A display that
// is given by a path has number 0, as in libxcb.
func (e Entry) matchesNumber(d Display) bool {
	return e.Number == "" || e.Number == strconv.Itoa(d.Number)
}

func (e Entry) withWildcard() Entry {
	e.Family, e.Address = FamilyWild, ""
	return e
}
