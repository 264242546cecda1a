package desktop

import (
	"fmt"
	"path"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// Terminal brings the description of a terminal that only the host knows, such as
// that of kitty or Ghostty. TERMINFO_DIRS names its directory and those of the
// system, so the chroot's entries of other terminals stay in use; ~/.terminfo is
// searched before them (ncurses(3), ENVIRONMENT).
var Terminal = session.Feature{
	Name:   "terminal",
	Shares: "the description (terminfo) of a terminal that the chroot does not know",
	Detect: detectTerminal,
}

// terminfoDir contains the entry inside. Every account can read it.
const terminfoDir session.Path = "/run/terminfo"

// systemTerminfo are the directories of distributions, the commonest first.
var systemTerminfo = []string{"/usr/share/terminfo", "/lib/terminfo", "/etc/terminfo", "/usr/lib/terminfo", "/usr/local/share/terminfo"}

// maxTerminfo is the size of the largest entry that ncurses reads.
const maxTerminfo = 32 << 10

func detectTerminal(f *session.Facts) session.Share {
	term := f.Caller.Env.Get("TERM")
	if term == "" || term == "dumb" || term[0] == '.' || strings.ContainsAny(term, "/\x00") {
		return session.Share{State: "no terminal"}
	}
	names := terminfoNames(term)
	for _, dir := range systemTerminfo {
		for _, name := range names {
			if f.Root.Exists(session.Path(dir).Join(name)) {
				return session.Share{State: term + ", which the chroot knows"}
			}
		}
	}
	for _, dir := range terminfoDirs(f.Caller) {
		for _, name := range names {
			data, err := rootfs.ReadHost(dir.Join(name), maxTerminfo, 0)
			if err != nil || !isTerminfo(data) {
				continue
			}
			file := session.File{Path: terminfoDir.Join(names[0]), Data: data, Why: "the host's description of the terminal"}
			return session.Share{State: term + ", as the host describes it", Files: []session.File{file},
				Lists: []session.List{{Name: "TERMINFO_DIRS", Prepend: string(terminfoDir), Default: strings.Join(systemTerminfo, ":")}}}
		}
	}
	return session.Share{State: fmt.Sprintf("%s, which neither the chroot nor the host knows", term)}
}

// terminfoNames returns the path of an entry in a directory: below its first
// letter, or below that in hexadecimal (file systems that ignore case).
func terminfoNames(term string) []string {
	return []string{path.Join(term[:1], term), path.Join(fmt.Sprintf("%02x", term[0]), term)}
}

// terminfoDirs returns the directories in which ncurses searches on the host
// (ncurses/tinfo/db_iterator.c). An empty entry of TERMINFO_DIRS means the
// system's directories, which come last in any case.
func terminfoDirs(c *session.Caller) (dirs []session.HostPath) {
	list := append([]string{c.Env.Get("TERMINFO"), path.Join(c.Account.Home, ".terminfo")}, strings.Split(c.Env.Get("TERMINFO_DIRS"), ":")...)
	for _, dir := range list {
		if path.IsAbs(dir) {
			dirs = append(dirs, session.HostPath(path.Clean(dir)))
		}
	}
	for _, dir := range systemTerminfo {
		dirs = append(dirs, c.Host.Join(dir))
	}
	return dirs
}

// isTerminfo reports whether data begins as a compiled entry does (term(5)).
func isTerminfo(data []byte) bool {
	magic := string(data[:min(2, len(data))])
	return magic == "\x1a\x01" || magic == "\x1e\x02"
}
