package request

import (
	"fmt"
	"path"
	"strings"

	"chrun/desktop"
	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/rootfs"
)

// A Greeting is a text that a person sees once.
type Greeting struct {
	Key  rootfs.HostPath // under which it is recorded that the text was shown
	Text string          // what it says, then the hint
	Hint string
}

// Greetings are what to print at the first launch in a chroot: things that a
// person cannot see, such as where settings are kept.
func (l *Launch) Greetings(plan *session.Plan) (all []Greeting) {
	if l.Request.RootInside {
		return nil
	}
	dir := l.Root.Dir()
	if name := l.Facts.Account.Name; l.foreignUID > 0 {
		words := append([]string{"--identity=idmap"}, l.Flags.Command...)
		all = append(all, Greeting{
			Key: dir + " " + rootfs.HostPath(name),
			Text: fmt.Sprintf("in %q the account %s has the uid %d, but the program runs with yours, %d: it does not own that account's files",
				plan.Name, name, l.foreignUID, l.Caller.UID),
			Hint: fmt.Sprintf("%s, or give it the files of a directory: sudo chown -R %d DIR", sudoLine(l.Flags, l.Choice.HintName(dir), "", words), l.Caller.UID),
		})
	}
	return append(all, firstLaunch(dir, l.Choice.Name, plan, l.Caller.Account.Home))
}

// firstLaunch says where settings are kept and that documents are shared. name
// is the configured name of the chroot, or "".
func firstLaunch(dir rootfs.HostPath, name string, plan *session.Plan, home string) Greeting {
	kept := map[session.HomeMode]string{
		session.HomeAuto:      "its own " + plan.Home.Dir,
		session.HomePrivate:   cli.ShortPath(plan.Home.Dir, home),
		session.HomeHost:      "your own home, which is shared whole",
		session.HomeTemporary: "memory, until the program ends",
		session.HomeDir:       cli.ShortPath(plan.Home.Dir, home),
	}[plan.Home.Mode]
	text := fmt.Sprintf("the first launch in %q: settings of its programs are kept in %s", plan.Name, kept)
	var shared []string
	for _, m := range plan.Mounts {
		if m.Feature == desktop.Documents.Name && m.Kind == session.FromHost && !strings.HasPrefix(string(m.Dest), "/run/host/") {
			shared = append(shared, path.Base(string(m.Dest)))
		}
	}
	if len(shared) > 0 {
		text += "; " + strings.Join(shared, ", ") + " are the host's"
	}
	change := "chrunctl set " + name + " home=host"
	if name == "" {
		change = fmt.Sprintf("chrunctl add NAME %s, then chrunctl set NAME home=host", session.Quote(string(plan.Tree)))
	}
	return Greeting{Key: dir, Text: text, Hint: change + " (or private, temporary, a directory)"}
}
