package session

import (
	"encoding/binary"
	"os"
	"path"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"chrun/session/rootfs"
)

// Listeners are the Unix sockets that a server listens on. Unlike a connection,
// looking at them does not start socket-activated servers.
type Listeners struct {
	// Names are the sockets' names as the servers bound them. Abstract ones begin
	// with '@'.
	Names map[string]bool
	files map[fileID]bool // of those with a path; nil if the kernel does not tell
	// others are the names in the network namespace of process 1, if that is
	// another one. Sockets with a path ignore network namespaces (unix(7)), but each
	// namespace has its own list: under "ip netns exec" they are in this one.
	others func() map[string]bool
	found  map[HostPath]HostPath // what find has returned, since several features ask for one socket
}

// find returns the socket without symlinks to which p leads, "" if no server listens
// on it.
func (l *Listeners) find(p HostPath) HostPath {
	real, known := l.found[p]
	if known {
		return real
	}
	real, err := rootfs.ResolveHost(p)
	if err != nil || !l.IsLive(real) || l.files == nil && !IsSocket(real) {
		real = ""
	}
	if l.found == nil {
		l.found = map[HostPath]HostPath{}
	}
	l.found[p] = real
	return real
}

func (l *Listeners) isElsewhere(p HostPath) bool { return l.others != nil && l.others()[string(p)] }

// fileID identifies the file of a socket as the kernel reports it: the device of
// its file system, and the lower half of its inode number.
type fileID struct{ dev, ino uint32 }

// LazyListeners returns a function that asks the kernel at its first call.
func LazyListeners() func() *Listeners { return sync.OnceValue(ReadListeners) }

// ReadListeners asks the kernel.
func ReadListeners() *Listeners {
	l := &Listeners{others: sync.OnceValue(readOthers)}
	if l.ask() != nil { // no module unix_diag, or a seccomp filter
		l.Names, l.files = readUnixTable("/proc/net/unix"), nil
	}
	return l
}

// IsLive reports whether a server listens on the socket at p, which has no symlink
// as its last component.
func (l *Listeners) IsLive(p HostPath) bool {
	if l.files == nil {
		return l.isLiveByName(p)
	}
	var st unix.Stat_t
	if unix.Lstat(string(p), &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return false
	}
	dev := uint32(unix.Major(st.Dev)<<20 | unix.Minor(st.Dev)) // MKDEV of the kernel
	return l.files[fileID{dev, uint32(st.Ino)}] || hidesDevice(p) && l.isLiveByName(p) || l.isElsewhere(p)
}

// hidesDevice reports whether stat(2) returns another device than the one that
// identifies the file system: for subvolumes, and layers.
func hidesDevice(p HostPath) bool {
	var fs unix.Statfs_t
	if unix.Statfs(string(p), &fs) != nil {
		return true
	}
	const bcachefs = 0xca451a4e
	return fs.Type == unix.BTRFS_SUPER_MAGIC || fs.Type == unix.OVERLAYFS_SUPER_MAGIC || fs.Type == bcachefs
}

// isLiveByName is for kernels and file systems that do not tell which file a
// socket is. If the server bound it by a relative path, or by a path that exists
// only in the server's mount namespace, the base name identifies it.
func (l *Listeners) isLiveByName(p HostPath) bool {
	if l.Names[string(p)] {
		return true
	}
	if real, err := realpath(string(p)); err == nil && l.Names[real] {
		return true
	}
	for name := range l.Names {
		if path.Base(name) != path.Base(string(p)) || strings.HasPrefix(name, "@") {
			continue
		}
		if !path.IsAbs(name) {
			return true
		}
		if _, err := os.Lstat(name); os.IsNotExist(err) {
			return true
		}
		if real, err := realpath(name); err == nil && real == string(p) {
			return true
		}
	}
	return l.isElsewhere(p)
}

// realpath resolves the directory of p, not p itself.
func realpath(p string) (string, error) {
	dir, err := rootfs.ResolveHost(HostPath(path.Dir(p)))
	return path.Join(string(dir), path.Base(p)), err
}

// readOthers reads the table of process 1, unless it is the caller's own: the files
// of each network namespace have their own inode numbers.
func readOthers() map[string]bool {
	const table = "/proc/1/net/unix"
	var first, own unix.Stat_t
	if unix.Stat(table, &first) != nil || unix.Stat("/proc/thread-self/net/unix", &own) == nil && first.Ino == own.Ino {
		return nil
	}
	return readUnixTable(table)
}

// readUnixTable returns the names of listening sockets in a table such as
// /proc/net/unix: flag 00010000 (__SO_ACCEPTCON) marks them.
func readUnixTable(table HostPath) map[string]bool {
	names := map[string]bool{}
	data, err := rootfs.ReadHost(table, 64<<20, 0)
	if err != nil {
		return names
	}
	for line := range strings.Lines(string(data)) {
		// Num RefCount Protocol Flags Type St Inode Path
		line = strings.TrimSuffix(line, "\n")
		f := strings.Fields(line)
		if len(f) < 8 || f[3] != "00010000" {
			continue
		}
		// A path may contain blanks: it is everything after the inode.
		if _, p, ok := strings.Cut(line, " "+f[6]+" "); ok {
			names[p] = true
		}
	}
	return names
}

// Constants of linux/unix_diag.h and linux/sock_diag.h.
const (
	sockDiagByFamily = 20
	stateListen      = 10
	showName         = 1
	showVFS          = 2
	attributeName    = 0
	attributeVFS     = 1
	requestSize      = unix.SizeofNlMsghdr + 24
	messageSize      = 16 // struct unix_diag_msg
)

// ask lists the listening sockets by sock_diag(7), which costs a fifth of reading
// the table of all sockets and tells their files.
func (l *Listeners) ask() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var request [requestSize]byte // struct nlmsghdr, struct unix_diag_req
	binary.NativeEndian.PutUint32(request[0:], requestSize)
	binary.NativeEndian.PutUint16(request[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	body := request[unix.SizeofNlMsghdr:]
	body[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(body[4:], 1<<stateListen)
	binary.NativeEndian.PutUint32(body[12:], showName|showVFS)
	if err := unix.Sendto(fd, request[:], 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	l.Names, l.files = map[string]bool{}, map[fileID]bool{}
	buf := make([]byte, 8<<10) // a datagram is never larger (netlink(7): NLMSG_GOODSIZE)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if done, err := l.parse(buf[:n]); done || err != nil {
			return err
		}
	}
}

// parse adds the sockets of one datagram from the kernel. done reports whether it
// was the last one.
func (l *Listeners) parse(data []byte) (done bool, err error) {
	for len(data) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(data))
		if size < unix.SizeofNlMsghdr || size > len(data) {
			return true, unix.EBADMSG
		}
		switch message := data[unix.SizeofNlMsghdr:size]; binary.NativeEndian.Uint16(data[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			return true, unix.EOPNOTSUPP
		case sockDiagByFamily:
			if len(message) >= messageSize {
				l.add(message[messageSize:])
			}
		}
		data = data[min(align(size), len(data)):]
	}
	return false, nil
}

// add adds the socket with these attributes.
func (l *Listeners) add(attributes []byte) {
	for len(attributes) >= unix.SizeofRtAttr {
		size := int(binary.NativeEndian.Uint16(attributes))
		if size < unix.SizeofRtAttr || size > len(attributes) {
			return
		}
		switch value := attributes[unix.SizeofRtAttr:size]; binary.NativeEndian.Uint16(attributes[2:]) {
		case attributeName:
			if len(value) > 0 && value[0] == 0 {
				l.Names["@"+string(value[1:])] = true
			} else if len(value) > 0 {
				l.Names[strings.TrimRight(string(value), "\x00")] = true
			}
		case attributeVFS:
			if len(value) >= 8 {
				l.files[fileID{ino: binary.NativeEndian.Uint32(value), dev: binary.NativeEndian.Uint32(value[4:])}] = true
			}
		}
		attributes = attributes[min(align(size), len(attributes)):]
	}
}

// align rounds up to the alignment of netlink messages and attributes.
func align(n int) int { return (n + 3) &^ 3 }
