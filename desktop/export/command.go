package export

import (
	"path"
	"strings"

	"chrun/session"
)

// exportCommand adds the command for a program. The command runs chrun, or inside
// this chroot, where the home directory may be the host's, the program itself.
func (b *builder) exportCommand(program string) {
	p := FindProgram(b.root, program)
	if p == "" {
		b.note("", "%s is no longer in the chroot", program)
		return
	}
	name := path.Base(program)
	run := []string{b.host.Launcher, "-c", b.chroot, program}
	if strings.HasPrefix(program, "-") {
		run = []string{b.host.Launcher, "-c", b.chroot, "--", program}
	}
	text := "#!/bin/sh\n" +
		"# Runs " + name + " of the chroot " + b.chroot + ". It goes with: chrunctl unexport " + b.chroot + " --bin " + session.Quote(name) + "\n" +
		// CHRUN_CHROOT may also be set on the host, where it selects a chroot.
		"[ \"$CHRUN_CHROOT\" != " + session.Quote(b.chroot) + " ] || [ ! -d /run/host ] || exec " + session.Quote(string(p)) + " \"$@\"\n" +
		"exec " + session.Quote(run...) + " \"$@\"\n"
	b.files[path.Join(b.host.BinDir, name)] = &file{mode: 0o755, data: []byte(text)}
}
