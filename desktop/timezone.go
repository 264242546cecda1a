package desktop

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/rootfs"
)

// shareTime shares the host's time zone and returns its name.
func shareTime(f *session.Facts, s *session.Share) (name string) {
	const localtime, timezone session.Path = "/etc/localtime", "/etc/timezone"
	// Where links end: the file's name is the zone's, and a path that holds
	// "zoneinfo/" is how ICU and Qt learn it.
	real, err := rootfs.ResolveHost(f.Caller.Host.Join(string(localtime)))
	if err != nil {
		return "UTC" // localtime(5): so it is without the file
	}
	data, err := rootfs.ReadHost(real, 0, 0)
	if err != nil {
		s.Notes = append(s.Notes, err.Error())
		return "the chroot's time zone"
	}
	file := session.File{Path: localtime, Data: data, Live: real, Why: "the host's time zone"}
	_, name, ok := strings.Cut(string(real), "zoneinfo/")
	if own := session.Path("/usr/share/zoneinfo").Join(name); ok && f.Root.Exists(own) {
		file.Live, file.Link = "", string(own) // the chroot knows the zone itself
	}
	s.Files = append(s.Files, file)
	if !ok {
		return "the host's time zone"
	}
	// Debian's second record of the name; Java and others read it first.
	if st, err := f.Root.Lstat(timezone); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
		s.Files = append(s.Files, session.File{Path: timezone, Data: []byte(name + "\n"), Why: "the name of the host's time zone"})
	}
	return name
}

// shareZone passes TZ, which is a rule or names a zone (tzset(3)). A zone that
// the chroot lacks, as small ones lack them all, would be read as UTC: there
// the host's are shared, and TZDIR leads glibc to them.
func shareZone(f *session.Facts, s *session.Share) {
	value := f.Caller.Env.Get("TZ")
	if value == "" {
		return
	}
	s.Env = append(s.Env, session.Var{Name: "TZ", Value: value})
	const zones, dest session.Path = "/usr/share/zoneinfo", "/run/host/share/zoneinfo"
	source, name := f.Caller.Host.Join(string(zones)), strings.TrimPrefix(value, ":")
	if !filepath.IsLocal(name) || f.Root.Exists(zones.Join(name)) || !exists(source.Join(name)) {
		return
	}
	s.Binds = append(s.Binds, session.Bind{Source: source, Dest: dest, ReadOnly: true, Why: "the chroot has no zone " + name})
	s.Env = append(s.Env, session.Var{Name: "TZDIR", Value: string(dest)})
}
