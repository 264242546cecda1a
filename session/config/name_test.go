package config

import (
	"path"
	"strings"
	"testing"

	"chrun/session/rootfs"
)

func TestValidName(t *testing.T) {
	for _, s := range []string{"a", "_", "0", "gentoo", "Debian-12.5+x_y", "a..", strings.Repeat("x", 64)} {
		if !ValidName(s) {
			t.Errorf("%q is rejected", s)
		}
	}
	for _, s := range []string{"", ".", "..", "-a", "+a", ".a", "a b", "a/b", "a\n", "ä", "a\x00", "a:", "~", strings.Repeat("x", 65)} {
		if ValidName(s) {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestEscapePath(t *testing.T) {
	for p, want := range map[rootfs.HostPath]string{
		"/":            "-",
		"/mnt/gentoo":  "-mnt-gentoo",
		"/mnt/gentoo/": "-mnt-gentoo",
		"/mnt-gentoo":  `-mnt\x2dgentoo`,
		"/a_b.C/..d":   "-a_b.C-..d",
		"/\xff é\n\\":  `-\xff\x20\xc3\xa9\x0a\x5c`,
		rootfs.HostPath("/" + strings.Repeat("a", 300)): "-" + strings.Repeat("a", 165) + `\h01a0cb9e`,
	} {
		got := escapePath(p)
		if len(p) > 200 {
			if len(got) != 200 || !strings.HasPrefix(got, want[:168]) || got == escapePath(p+"b") {
				t.Errorf("EscapePath of a long path = %q", got)
			}
			continue
		}
		if got != want {
			t.Errorf("EscapePath(%q) = %q, want %q", p, got, want)
		}
		if ValidName(got) {
			t.Errorf("%q is a NAME", got)
		}
	}
}

func TestParseBind(t *testing.T) {
	for _, c := range []struct {
		s, source, dest string
		ro              bool
		err             string
	}{
		{s: "/a", source: "/a"},
		{s: "/a:ro", source: "/a", ro: true},
		{s: "/a:rw", source: "/a"},
		{s: "/a:/b", source: "/a", dest: "/b"},
		{s: "/a:/b/../c/:ro", source: "/a", dest: "/c", ro: true},
		{s: "/a:/b:rw", source: "/a", dest: "/b"},
		{s: "~/a:/b", source: "~/a", dest: "/b"},
		{s: "a b", source: "a b"},
		{s: "ro", source: "ro"},
		{s: "ro:ro", source: "ro", ro: true},
		{s: `/a\:b:/c\\\:ro`, source: "/a:b", dest: `/c\:ro`},
		{s: `/a\b\`, source: `/a\b\`},
		{s: "", err: "the source is empty"},
		{s: ":/b", err: "the source is empty"},
		{s: ":ro", err: "the source is empty"},
		{s: "/a:", err: `the destination "" is not an absolute path`},
		{s: "/a:b", err: `the destination "b" is not an absolute path`},
		{s: "/a::ro", err: `the destination "" is not an absolute path`},
		{s: "/a:/b:/c", err: "too many colons"},
		{s: "/a:ro:/b", err: "too many colons"},
		{s: "/a:/b/..", err: "the destination would cover the whole chroot"},
		{s: "/a\x00", err: "it contains a NUL byte"},
	} {
		source, dest, ro, err := ParseBind(c.s)
		if source != c.source || dest != c.dest || ro != c.ro || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("ParseBind(%q) = %q, %q, %v, %v", c.s, source, dest, ro, err)
		}
	}
}

func FuzzParseBind(f *testing.F) {
	for _, s := range []string{"/a", "/a:/b:ro", `~/\:\\:/x\::rw`, "a::", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		source, dest, ro, err := ParseBind(s)
		if err != nil {
			return
		}
		if source == "" || dest != "" && (!path.IsAbs(dest) || path.Clean(dest) != dest || dest == "/") {
			t.Fatalf("ParseBind(%q) = %q, %q", s, source, dest)
		}
		again := formatBind(source, dest, ro)
		s2, d2, r2, err := ParseBind(again)
		if s2 != source || d2 != dest || r2 != ro || err != nil {
			t.Fatalf("%q became %q: %q, %q, %v, %v", s, again, s2, d2, r2, err)
		}
	})
}
