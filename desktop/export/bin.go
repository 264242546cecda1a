package export

import (
	"path"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// searched is where a program's name is looked for in a chroot.
var searched = []rootfs.Path{"/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/games", "/usr/local/games"}

// FindProgram is the path of a program in the chroot, or "".
func FindProgram(root *rootfs.Root, name string) rootfs.Path {
	executable := func(p rootfs.Path) bool {
		st, err := root.Stat(p)
		return err == nil && st.Mode&0o170000 == 0o100000 && st.Mode&0o111 != 0
	}
	if path.IsAbs(name) {
		if p := rootfs.Path(path.Clean(name)); executable(p) {
			return p
		}
		return ""
	}
	if name == "" || strings.Contains(name, "/") {
		return ""
	}
	for _, dir := range searched {
		if p := dir.Join(name); executable(p) {
			return p
		}
	}
	return ""
}

// bin adds the command for a program: chrun, or inside this chroot, where the
// home may be the host's, the program itself.
func (w *wanted) bin(program string) {
	p := FindProgram(w.root, program)
	if p == "" {
		w.note("", "%s is no longer in the chroot", program)
		return
	}
	name := path.Base(program)
	run := []string{w.host.Launcher, "-c", w.name, program}
	if strings.HasPrefix(program, "-") {
		run = []string{w.host.Launcher, "-c", w.name, "--", program}
	}
	text := "#!/bin/sh\n" +
		"# Runs " + name + " of the chroot " + w.name + ". It goes with: chrunctl unexport " + w.name + " --bin " + session.Quote(name) + "\n" +
		// On the host, too, CHRUN_CHROOT may say which chroot is meant.
		"[ \"$CHRUN_CHROOT\" != " + session.Quote(w.name) + " ] || [ ! -d /run/host ] || exec " + session.Quote(string(p)) + " \"$@\"\n" +
		"exec " + session.Quote(run...) + " \"$@\"\n"
	w.files[path.Join(w.host.BinDir, name)] = &file{mode: 0o755, data: []byte(text)}
}
