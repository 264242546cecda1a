package main

import (
	"fmt"
	"os"
	"path"
	"strings"

	"chrun/desktop"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// welcome says once a chroot, on a terminal, what a person cannot see: where
// settings are kept, that documents are shared, and how to change that.
func (l *launchRequest) welcome(o *options, plan *session.Plan) {
	c := l.facts.Caller
	if o.quiet || l.request.Root || !terminal(2) {
		return
	}
	state := config.StateDir(c.Env.Get("XDG_STATE_HOME"), c.Account.Home)
	if l.foreign > 0 {
		l.once(state, l.facts.Root.Dir()+" "+rootfs.HostPath(l.facts.Account.Name), fmt.Sprintf(
			"chrun: %s has the number %d in %q and yours, %d, in this launch: what belongs to it there is not yours\nchrun: hint: %s, or sudo chown -R %[4]d DIR\n",
			l.facts.Account.Name, l.foreign, plan.Name, c.UID, o.sudoLine(l.place(), "", append([]string{"--identity=idmap"}, o.argv...))))
	}
	l.once(state, l.facts.Root.Dir(), welcome(l.named, plan, c.Account.Home))
}

// once says something and notes under key that it was said.
func (l *launchRequest) once(state string, key rootfs.HostPath, text string) {
	told, tell := config.Told(state, key)
	if told {
		return
	}
	os.Stderr.WriteString(text)
	if err := tell(); err != nil {
		fmt.Fprintf(os.Stderr, "chrun: cannot note that this was said: %v\n", err)
	}
}

// welcome is the text. name is the chroot's configured NAME, or "".
func welcome(name string, plan *session.Plan, home string) string {
	short := func(p string) string {
		if rest, ok := strings.CutPrefix(p, home+"/"); ok {
			return "~/" + rest
		}
		return p
	}
	kept := map[session.HomeMode]string{
		session.HomeAuto:      "its own " + plan.Home.At,
		session.HomePrivate:   short(plan.Home.At),
		session.HomeHost:      "your own home, which is shared whole",
		session.HomeTemporary: "memory, until the program ends",
		session.HomeDir:       short(plan.Home.At),
	}[plan.Home.Mode]
	change := "chrunctl set " + name + " home=host"
	if name == "" {
		change = fmt.Sprintf("chrunctl add NAME %s, then chrunctl set NAME home=host", session.Quote(string(plan.Tree)))
	}
	text := fmt.Sprintf("chrun: the first launch in %q: settings of its programs are kept in %s", plan.Name, kept)
	var shared []string
	for _, m := range plan.Mounts {
		if m.Feature == desktop.Documents.Name && m.Kind == session.FromHost {
			shared = append(shared, path.Base(m.Source))
		}
	}
	if len(shared) > 0 {
		text += "; " + strings.Join(shared, ", ") + " are the host's"
	}
	return text + "\nchrun: hint: " + change + " (or private, temporary, a directory)\n"
}
