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
// chrun on the host. In this chroot, where the home may be the host's, it runs the
// program itself; in another one the next program of that name on PATH.
func commandText(host *Host, chroot, program string, p rootfs.Path) string {
	name := session.Quote(path.Base(program))
	run := []string{host.Launcher, "-c", chroot, "--any-cwd", program}
	if strings.HasPrefix(program, "-") {
		run = slices.Insert(run, 4, "--")
	}
	return strings.NewReplacer("@NAME@", name, "@CHROOT@", session.Quote(chroot), "@CHRUN@", session.Quote(host.Launcher), "@RUN@", session.Quote(run...), "@PROGRAM@", session.Quote(string(p))).Replace(command)
}

// command is the script of a command. CHRUN_CHROOT may also be set on the host, where
// it selects a chroot.
const command = `#!/bin/sh
# Runs @NAME@ of the chroot @CHROOT@. To remove this file: chrunctl unexport @CHROOT@ --bin @NAME@
if [ ! -d /run/host ] && [ -x @CHRUN@ ]; then
	exec @RUN@ "$@"
fi
if [ -d /run/host ] && [ "$CHRUN_CHROOT" = @CHROOT@ ]; then
	exec @PROGRAM@ "$@"
fi
# This is another chroot, which may have its own @NAME@.
set -f
IFS=:
for dir in $PATH; do
	if [ -f "$dir/"@NAME@ ] && [ -x "$dir/"@NAME@ ] && ! [ "$dir/"@NAME@ -ef "$0" ]; then
		exec "$dir/"@NAME@ "$@"
	fi
done
echo @NAME@": not found in this chroot" >&2
exit 127
`
