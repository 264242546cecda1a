package main

import (
	"strings"
	"testing"

	"chrun/session"
)

// A hostile tree, a directory's name and the environment reach the terminal as text
// only, in errors, hints, -v and each form of -n.
func TestEscapes(t *testing.T) {
	b := newBox(t)
	b.userns()
	const evil = "\x1b[2J\x1b]0;x\a\u009b31m\u202e\xff"
	b.file("tree/bin/script", "#!/bin/"+evil+"\n", 0o755)
	b.file("tree/bin/word", "#!/bin/"+evil+" a\n", 0o755)
	b.file("tree/etc/environment", "PATH=/bin:/"+evil+"\nEVIL="+evil+"\n", 0o644)
	b.file("tree/etc/passwd", "root:x:0:0::/root:/bin/ok\nevil:x:"+"4242:4242::/"+evil+":/bin/"+evil+"\n", 0o644)
	b.file("tree/etc/profile.env", "export PATH='/bin:/opt/"+evil+"'\n", 0o644)
	b.mkdir("tree" + evil)
	b.env = append(b.env, "TERM="+evil, "LANG="+evil, "DISPLAY="+evil, "DBUS_SESSION_BUS_ADDRESS=unix:path=/"+evil, "XDG_CONFIG_HOME="+b.at("config"))
	b.mkdir("other/usr")
	b.mkdir("other/bin")
	b.mkdir("other/etc")
	b.mkdir("config/chrun/chroots")
	b.file("config/chrun/chroots/mine.toml", "path = \""+b.at("other")+"\"\nuser = \"\\u001b[31m\"\n", 0o644)
	tree := b.at("tree")
	for _, args := range [][]string{
		{"-c", tree, "script"}, {"-c", tree, "word"}, {"-c", tree, "no" + evil}, {"-c", b.at("tree" + evil), "ok"}, {"-c", tree + "/" + evil, "ok"}, {"-c", tree, "--bind", "/" + evil, "ok"},
		{"-c", tree, "-n", "ok", evil}, {"-c", tree, "-n=shell", "ok", evil}, {"-c", tree, "-n=json", "ok", evil}, {"-c", tree, "-v", "ok"}, {"-c", tree, "-u", "evil"}, {"-c", tree, "-u", "evil", "-n"},
		{"-c", "mine", "ok"}, {"-c", tree, "--" + evil}, {"-c", tree, "--env", "A=" + evil, "-n", "ok"}, {"-l"}, {"-c", tree, "-C", "/" + evil, "ok"}, {"-c", evil, "ok"},
	} {
		got := b.chrun(args...)
		for _, text := range []string{got.out, got.err} {
			if session.PrintableText(text) != text {
				t.Errorf("%q: %q", args, text)
			}
		}
		for _, l := range strings.Split(strings.TrimSpace(got.err), "\n") {
			if l != "" && !strings.HasPrefix(l, "chrun: ") {
				t.Errorf("%q: the line %q", args, l)
			}
		}
	}
}
