package desktop

import (
	"bytes"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/rootfs"
)

// shareTime shares the host's time zone and returns its name.
func shareTime(f *session.Facts, s *session.Share) (name string) {
	const localtime, timezone session.Path = "/etc/localtime", "/etc/timezone"
	// Follow symlinks: the name of the zone is the path after "zoneinfo/", from
	// which ICU and Qt read it too.
	real, err := rootfs.ResolveHost(f.Caller.Host.Join(string(localtime)))
	if err != nil {
		if f.Root.Exists(localtime) && f.Caller.Env.Get("TZ") == "" {
			s.Env = append(s.Env, session.Var{Name: "TZ", Value: "UTC0"})
		}
		return "UTC" // the default without the file, localtime(5)
	}
	data, err := rootfs.ReadHost(real, 0, 0)
	if err != nil {
		s.Notes = append(s.Notes, err.Error())
		return "the chroot's time zone"
	}
	file := session.File{Path: localtime, Data: data, HostFile: real, Why: "the host's time zone"}
	_, name, ok := strings.Cut(string(real), "zoneinfo/")
	if inside := session.Path("/usr/share/zoneinfo").Join(name); ok && f.Root.Exists(inside) {
		file.HostFile, file.Link = "", string(inside) // the chroot has the zone
	}
	file.Instead = zoneVariable(f, data, name, file.Link != "")
	s.Files = append(s.Files, file)
	if !ok {
		return "the host's time zone"
	}
	// Debian has the name in a second file, which Java and others prefer.
	if st, err := f.Root.Lstat(timezone); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
		s.Files = append(s.Files, session.File{Path: timezone, Data: []byte(name + "\n"), Why: "the name of the host's time zone"})
	}
	return name
}

// zoneVariable returns TZ for a chroot that keeps its /etc/localtime. The name of
// the zone is best, since it includes the past and programs show it. Root inside
// gets the rule even if the chroot has the zone, because it may replace the zones.
func zoneVariable(f *session.Facts, zone []byte, name string, known bool) session.Var {
	v := session.Var{Name: "TZ", Value: zoneRule(zone)}
	if own := f.Caller.Env.Get("TZ"); own != "" {
		v.Value = own // as without the file
	} else if root := f.Identity.Kind != "" && f.Identity.InsideUID == 0; known && (!root || v.Value == "") {
		v.Value = name
	}
	if v.Value == "" {
		return session.Var{}
	}
	return v
}

// zoneRule returns the rule for the present and the future at the end of a zone
// file, as TZ takes it, or "" (tzfile(5), RFC 8536 section 3.3). It has no rule in
// version 1, and for zones that none can express.
func zoneRule(zone []byte) string {
	head, ok := bytes.CutPrefix(zone, []byte("TZif"))
	body, ok2 := bytes.CutSuffix(head, []byte("\n"))
	i := bytes.LastIndexByte(body, '\n')
	if !ok || !ok2 || i < 0 || head[0] < '2' {
		return ""
	}
	rule := string(body[i+1:])
	if strings.ContainsFunc(rule, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return rule
}

// shareZone passes TZ, which is a rule or the name of a zone (tzset(3)). Programs
// would take a zone that the chroot does not have for UTC. Small chroots have
// none, so in that case the host's zones are shared, and TZDIR names them.
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
