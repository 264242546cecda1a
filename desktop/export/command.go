package export

import (
	"path"
	"slices"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// exportCommand adds the command for a program.
func (b *builder) exportCommand(program string) {
	p := FindProgram(b.root, program)
	if p == "" {
		b.note("", "%s is no longer in the chroot", program)
		return
	}
	text := commandText(b.host, b.chroot, program, p)
	b.files[path.Join(b.host.BinDir, path.Base(program))] = &file{mode: 0o755, data: []byte(text)}
}

// commandText returns the script that runs the program at p of a chroot. It runs
// chrun, or inside this chroot, where the home directory may be the host's, the
// program itself.
func commandText(host *Host, chroot, program string, p rootfs.Path) string {
	name := path.Base(program)
	run := []string{host.Launcher, "-c", chroot, "--any-cwd", program}
	if strings.HasPrefix(program, "-") {
		run = slices.Insert(run, 4, "--")
	}
	return "#!/bin/sh\n" +
		"# Runs " + name + " of the chroot " + chroot + ". To remove this file: chrunctl unexport " + chroot + " --bin " + session.Quote(name) + "\n" +
		// CHRUN_CHROOT may also be set on the host, where it selects a chroot.
		"[ \"$CHRUN_CHROOT\" != " + session.Quote(chroot) + " ] || [ ! -d /run/host ] || exec " + session.Quote(string(p)) + " \"$@\"\n" +
		"exec " + session.Quote(run...) + " \"$@\"\n"
}
