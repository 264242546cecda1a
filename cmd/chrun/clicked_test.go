package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"chrun/session"
)

// A file that was clicked on the host is the host's inside, wherever it is: the
// argument that names it becomes a path at which it is, and nothing is covered.
func TestClicked(t *testing.T) {
	b := newBox(t)
	b.userns()
	home := b.at("caller")
	for _, p := range []string{".bashrc", ".config/foo/a b.txt", "Doc/x", "loose"} {
		b.mkdir("caller/.config/foo")
		b.mkdir("caller/Doc")
		b.file("caller/"+p, "x", 0o644)
		b.check(os.Chown(b.at("caller/"+p), b.uid, b.gid))
	}
	for _, p := range []string{".config", ".config/foo", "Doc"} {
		b.check(os.Chown(b.at("caller/"+p), b.uid, b.gid))
	}
	b.link("caller/.link", ".config/foo/a b.txt")
	b.file("tree/etc/fstab", "of the chroot", 0o644)
	b.file("tree/etc/hostname", "of the chroot", 0o644)
	b.mkdir("caller/.local/share/applications")
	b.file("caller/.local/share/applications/fixed.desktop", "[Desktop Entry]\nExec=chrun -c x --app fixed ok /etc/hostname %f\n", 0o644)
	b.check(os.Chown(b.at("caller/.local"), b.uid, b.gid))
	b.check(os.Chown(b.at("caller/.local/share"), b.uid, b.gid))
	for _, x := range []struct{ app, arg, want string }{
		{"foot", home + "/.bashrc", "/run/host" + home + "/.bashrc"},
		{"foot", home + "/.config/foo/a b.txt", "/run/host" + home + "/.config/foo/a b.txt"},
		{"foot", "file://" + home + "/.config/foo/a%20b.txt", "file:///run/host" + home + "/.config/foo/a%20b.txt"},
		{"foot", home + "/.config/foo", "/run/host" + home + "/.config/foo"},
		{"foot", home + "/.link", "/run/host" + home + "/.config/foo/a b.txt"},
		{"foot", "/etc/hostname", "/run/host/etc/hostname"},
		{"foot", "/usr/bin/env", "/run/host/usr/bin/env"},
		{"foot", "--file=/etc/hostname", "--file=/etc/hostname"}, // no field code makes this
		{"foot", "hostname", "hostname"},
		{"foot", "/etc/none", "/etc/none"},
		{"foot", home + "/Doc/x", home + "/Doc/x"}, // visible inside at its own path
		{"foot", home + "/loose", home + "/loose"},
		{"foot", b.at("host/dir/file"), b.at("host/dir/file")},
		{"fixed", "/etc/hostname", "/etc/hostname"}, // the entry names the file of the chroot
		{"fixed", home + "/.bashrc", "/run/host" + home + "/.bashrc"},
		{"", home + "/.bashrc", home + "/.bashrc"}, // nothing was clicked
		{"", "/etc/hostname", "/etc/hostname"},
	} {
		args := []string{"/bin/ok", x.arg}
		if x.app != "" {
			args = append([]string{"--app", x.app}, args...)
		}
		plan := b.plan(args...)
		if got := plan.Argv[1]; got != x.want || len(plan.Notices) > 0 {
			t.Errorf("%s %s: %q, want %q (%q)", x.app, x.arg, got, x.want, plan.Notices)
		}
		if slices.ContainsFunc(plan.Mounts, func(m session.Mount) bool { return m.Dest == "/etc" && m.Kind == session.FromHost }) {
			t.Errorf("%s: /etc is covered", x.arg)
		}
		if slices.ContainsFunc(plan.Warnings, func(w string) bool { return strings.Contains(w, "not inside") }) != (x.app == "" && strings.Contains(x.arg, ".bashrc")) {
			t.Errorf("%s: %q", x.arg, plan.Warnings)
		}
	}
}
