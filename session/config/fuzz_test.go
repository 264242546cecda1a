package config

import (
	"errors"
	"path"
	"slices"
	"strings"
	"testing"
)

func FuzzConfig(f *testing.F) {
	for _, s := range []string{
		"path='/a'\n[app.x]\nbind=[1]\nenv.a=2\n[app.y.env]\nb=1", "path = '/a'\nuser='b'\nhome='~/x'\nbind=['~/a:/b:ro']\nallow=['sound']\n[env]\nA='b'",
		"env.A.b=1\n[env]\nB=2", "env={A={b=1}}", "bind=[1,\n'x']", "[[path]]\n[path.x]", "'' = 1\n\"\\u0000\"=2",
		"path='''\n/a'''", "a=[[{b=[1]}]]",
	} {
		f.Add([]byte(s))
	}
	src := &Source{Home: func() string { return `/h:\` }}
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Chroot
		err := decode(src, "F", data, chrootKeys(), &c)
		if err != nil {
			var e *Error
			lines := 1 + strings.Count(string(data), "\n")
			// The line of a syntax error at the end may be one too large.
			if !errors.As(err, &e) || e.Line < 1 || e.Line > lines+1 || !slices.Equal(e.Allowed, keyNames(chrootKeys())) && !slices.Equal(e.Allowed, keyNames(settingKeys)) {
				t.Fatalf("error %#v in %d lines", err, lines)
			}
			if decode(src, "F", data, chrootKeys(), new(Chroot)).Error() != err.Error() {
				t.Fatalf("the error is not deterministic: %v", err)
			}
			return
		}
		if c.Path != "" && !path.IsAbs(string(c.Path)) {
			t.Fatalf("path %q", c.Path)
		}
		for _, b := range c.Bind {
			if source, _, _, err := ParseBind(b); err != nil || !path.IsAbs(source) {
				t.Fatalf("bind %q: %q, %v", b, source, err)
			}
		}
		for name, value := range c.Env {
			if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") {
				t.Fatalf("env %q=%q", name, value)
			}
		}
	})
}
