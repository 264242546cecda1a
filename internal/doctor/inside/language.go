package inside

import (
	"bytes"
	"cmp"
	"context"
	"path"
	"path/filepath"
	"strings"

	"chrun/desktop"
	"chrun/internal/doctor/report"
	"chrun/session"
)

// probeLocaleTime looks whether the chroot has the person's locale and time zone.
func probeLocaleTime(_ context.Context, in *Input, add func(...report.Check)) {
	const row = "locale-time"
	if in.denies(row) {
		return
	}
	if root := openTree(); root != nil && hasLibrary("libc.so.6") { // other C libraries need no locales
		defer root.Close()
		if names := desktop.MissingLocales(root, in.Caller); len(names) > 0 {
			name := names[0] // all variables usually name the same one
			shown := name[:min(len(name), 40)]
			text := "no locale " + shown + " in the chroot: programs use English"
			if source := desktop.LocaleSource(root, name); source != "" {
				add(report.Notice(row, report.Reachable, "no-locale", text, "source", session.Quote(source), "name", session.Quote(name)))
			} else {
				add(report.Notice(row, report.Reachable, "no-locale-source", text))
			}
		}
	}
	zone, ok := checkZone(in)
	if !ok {
		fault := "no-zone"
		if in.Env.Get("TZ") != "" { // chrun would have shared it if the host had it
			fault = "wrong-zone"
		}
		add(report.Notice(row, report.Reachable, fault, "no time zone "+zone+" in the chroot: programs show UTC"))
		return
	}
	locale := cmp.Or(in.Env.Get("LC_ALL"), in.Env.Get("LC_MESSAGES"), in.Env.Get("LANG"), "C")
	add(report.Good(row, report.Reachable, locale[:min(len(locale), 40)]+"; time zone: "+zone))
}

// checkZone reports whether the time zone can be read, as the C library does (tzset(3)).
func checkZone(in *Input) (zone string, ok bool) {
	value := in.Env.Get("TZ")
	name := strings.TrimPrefix(value, ":")
	switch {
	case value == "":
		data, err := readRegular("/etc/localtime", 4)
		if err != nil {
			return "UTC", !exists("/etc/localtime") // the default
		}
		return "/etc/localtime", bytes.Equal(data, []byte("TZif"))
	case path.IsAbs(name):
		data, err := readRegular(name, 4)
		return name, err == nil && bytes.Equal(data, []byte("TZif"))
	case strings.ContainsAny(name, "0123456789,<"):
		return name[:min(len(name), 40)], true // a rule, which needs no file
	}
	dir := cmp.Or(in.Env.Get("TZDIR"), "/usr/share/zoneinfo")
	data, err := readRegular(path.Join(dir, name), 4)
	return name[:min(len(name), 40)], name == "UTC" || filepath.IsLocal(name) && err == nil && bytes.Equal(data, []byte("TZif"))
}
