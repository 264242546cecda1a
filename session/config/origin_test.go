package config

import (
	"strings"
	"testing"
)

func TestOrigin(t *testing.T) {
	src, dir := source(t, map[string]string{"user/chroots/x.toml": "path='~/a'\nhome='~/h'\nbind=['/b',\n'~/c:/d']\nenv.A='1'\n" +
		"[app.mpv]\nhome='host'\nbind=['~/e']\n[app.other]\nhome='temporary'\n"})
	ch, err := load(t, src).Chroot("x")
	if err != nil {
		t.Fatal(err)
	}
	file := dir + "/user/chroots/x.toml"
	check := func(ch *Chroot, key, value, want string) {
		t.Helper()
		if got := ch.Origin(key, value).String(); got != strings.Replace(want, "F", file, 1) {
			t.Errorf("Origin(%q, %q) = %q, want %q", key, value, got, want)
		}
	}
	check(ch, "path", "", "F:1")
	check(ch, "path", string(ch.Path), "F:1")
	check(ch, "home", ch.Home, "F:2")
	check(ch, "bind", ch.Bind[0], "F:3")
	check(ch, "bind", ch.Bind[1], "F:4") // the file has it with ~
	check(ch, "env.A", "1", "F:5")
	check(ch, "env.A", "2", "F")
	check(ch, "user", "", "F")

	mpv := ch.ForCommand("/usr/bin/mpv")
	check(mpv, "home", mpv.Home, "F:7")
	check(mpv, "bind", mpv.Bind[1], "F:4")
	check(mpv, "bind", mpv.Bind[2], "F:8")
	check(mpv, "env.A", "", "F:5")
	check(ch, "home", "temporary", "F") // only of another command
	check(mpv.ForCommand("other"), "home", "", "F:10")
	check(&Chroot{Path: "/a"}, "path", "", "")
}
