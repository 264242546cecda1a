package desktop

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// shareTime shares the host's time zone and returns its name.
func shareTime(f *session.Facts, s *session.Share) (name string) {
	const localtime, timezone session.Path = "/etc/localtime", "/etc/timezone"
	// Where links end: the file's name is the zone's, and a path that holds
	// "zoneinfo/" is how ICU and Qt learn it.
	real, err := realHost(f.Caller.Host.Join(string(localtime)))
	if err != nil {
		return "UTC" // localtime(5): so it is without the file
	}
	data, err := readHost(real)
	if err != nil {
		s.Notes = append(s.Notes, err.Error())
		return "the chroot's time zone"
	}
	s.Files = append(s.Files, session.File{Path: localtime, Data: data, Live: real, Why: "the host's time zone"})
	_, name, ok := strings.Cut(string(real), "zoneinfo/")
	if !ok {
		return "the host's time zone"
	}
	// Debian's second record of the name; Java and others read it first.
	if st, err := f.Root.Lstat(timezone); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
		s.Files = append(s.Files, session.File{Path: timezone, Data: []byte(name + "\n"), Why: "the name of the host's time zone"})
	}
	return name
}

// realHost is the path at which the links from p end.
func realHost(p session.HostPath) (session.HostPath, error) {
	f, err := os.OpenFile(string(p), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	real, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	return session.HostPath(real), err
}
