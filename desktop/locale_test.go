package desktop

import (
	"bytes"
	"encoding/binary"
	"os"
	"reflect"
	"sort"
	"strings"
	"testing"

	"chrun/internal/fakedesk"
	"chrun/session"
)

// archive returns a locale-archive with names in the format of glibc's
// localedef. A '-' before a name marks it as deleted.
func archive(order binary.ByteOrder, names ...string) []byte {
	const head, size = 56, 7
	entries, text := make([]byte, size*12), []byte{0}
	at := uint32(head + len(entries))
	for i, name := range names {
		record := uint32(4096)
		if name[0] == '-' {
			name, record = name[1:], 0
		}
		e := entries[12*i:]
		order.PutUint32(e[4:], at+uint32(len(text)))
		order.PutUint32(e[8:], record)
		text = append(append(text, name...), 0)
	}
	var b []byte
	word := make([]byte, 4)
	for _, w := range []uint32{0xde020109, 0, head, uint32(len(names)), size, at, uint32(len(text)), uint32(len(text)), 0, 0, 0, 0, 0, 0} {
		order.PutUint32(word, w)
		b = append(b, word...)
	}
	return append(append(b, entries...), text...)
}

func names(set map[string]bool) (list []string) {
	for name := range set {
		list = append(list, name)
	}
	sort.Strings(list)
	return list
}

func TestLocaleArchive(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		data := archive(order, "de_DE.utf8", "-fr_FR.utf8", "fr_FR@euro")
		if got := names(readLocaleArchive(bytes.NewReader(data))); !reflect.DeepEqual(got, []string{"de_DE.utf8", "fr_FR@euro"}) {
			t.Errorf("%v: %q", order, got)
		}
		for n := range data {
			readLocaleArchive(bytes.NewReader(data[:n])) // must not panic
		}
	}
}

func FuzzLocaleArchive(f *testing.F) {
	f.Add(archive(binary.LittleEndian, "de_DE.utf8", "-x"))
	f.Add(archive(binary.BigEndian, "C"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for name := range readLocaleArchive(bytes.NewReader(data)) {
			if name == "" || bytes.IndexByte([]byte(name), 0) >= 0 || !bytes.Contains(data, []byte(name)) {
				t.Errorf("name %q", name)
			}
		}
	})
}

func TestNormalLocale(t *testing.T) {
	for name, want := range map[string]string{
		"C": "C", "C.UTF-8": "C.utf8", "de_DE": "de_DE", "de_DE.UTF-8": "de_DE.utf8", "de_DE.utf8": "de_DE.utf8",
		"fr_FR.ISO-8859-15@euro": "fr_FR.iso885915@euro", "fr_FR@euro": "fr_FR@euro", "en_US.8859-1": "en_US.iso88591",
	} {
		if got := normalizeLocale(name); got != want {
			t.Errorf("normalLocale(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestLocale(t *testing.T) {
	d := fakedesk.New(t, "LANG=de_DE.UTF-8", "LC_TIME=en_DK.UTF-8", "LC_PAPER=de_DE.utf8", "LC_NUMERIC=C", "LC_CTYPE=",
		"LANGUAGE=de:en", "LOCPATH=/x", "TZDIR=/y", "TZ=Europe/Berlin")
	want := map[string]string{"LANG": "C.UTF-8", "LC_TIME": "C.UTF-8", "LC_PAPER": "C.UTF-8", "LC_NUMERIC": "C",
		"LANGUAGE": "de:en", "TZ": "Europe/Berlin"}
	check := func(notes int) {
		t.Helper()
		s := detectLocaleTime(d.Facts)
		fakedesk.WantEnv(t, s, want)
		if len(s.Notes) != notes {
			t.Errorf("notes = %q", s.Notes)
		}
	}
	check(3)
	d.Write("tree/usr/bin/localedef", "")
	d.Write("tree/usr/share/i18n/locales/de_DE", "")
	notes := strings.Join(detectLocaleTime(d.Facts).Notes, "\n")
	if how := "/tree -u root localedef -i de_DE -f UTF-8 de_DE.UTF-8"; !strings.Contains(notes, how) || strings.Contains(notes, "-i en_DK") {
		t.Errorf("notes: %s", notes)
	}
	d.Write("tree/usr/lib/locale/de_DE.utf8/LC_CTYPE", "")
	want["LANG"], want["LC_PAPER"] = "de_DE.UTF-8", "de_DE.utf8"
	check(1)
	d.Write("tree/usr/lib/locale/locale-archive", "short")
	check(1)
	d.Write("tree/usr/lib/locale/locale-archive", string(archive(binary.LittleEndian, "en_DK.utf8")))
	want["LC_TIME"] = "en_DK.UTF-8"
	check(0)

	d.SetEnv("LANG=../../../etc", "LC_ALL=.", "LC_TIME=..")
	want = map[string]string{"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "LC_TIME": "C.UTF-8"}
	check(3)

	d = fakedesk.New(t, "LANG=tlh_QO.UTF-8") // musl accepts every name
	d.Write("tree/lib/ld-musl-x86_64.so.1", "")
	want = map[string]string{"LANG": "tlh_QO.UTF-8"}
	check(0)
}

func TestTime(t *testing.T) {
	d := fakedesk.New(t)
	if s := detectLocaleTime(d.Facts); s.State != "UTC, no locale set" || len(s.Files) > 0 {
		t.Errorf("%+v", s)
	}
	zone := d.Write("host/usr/share/zoneinfo/Europe/Berlin", "TZif2")
	d.Link("../usr/share/zoneinfo/Europe/Berlin", "host/etc/localtime")
	s := detectLocaleTime(d.Facts)
	fakedesk.WantFiles(t, s, map[session.Path]string{"/etc/localtime": "TZif2"})
	if s.State != "Europe/Berlin, no locale set" || s.Files[0].HostFile != session.HostPath(zone) {
		t.Errorf("%+v", s)
	}
	d.Write("tree/etc/timezone", "Etc/UTC\n")
	fakedesk.WantFiles(t, detectLocaleTime(d.Facts), map[session.Path]string{"/etc/localtime": "TZif2", "/etc/timezone": "Europe/Berlin\n"})
	d.Link("..", "host/etc/localtime")
	if s := detectLocaleTime(d.Facts); len(s.Files) > 0 || len(s.Notes) != 1 {
		t.Errorf("%+v", s)
	}
	os.Remove(string(d.Dir.Join("host/etc/localtime")))
	if err := os.WriteFile(string(d.Dir.Join("host/etc/localtime")), []byte("TZif"), 0o644); err != nil {
		t.Fatal(err)
	}
	fakedesk.WantFiles(t, detectLocaleTime(d.Facts), map[session.Path]string{"/etc/localtime": "TZif"})
}

// A chroot that keeps its /etc gets the zone by TZ.
func TestZoneVariable(t *testing.T) {
	const berlin = "TZif2\x00\nCET-1CEST,M3.5.0,M10.5.0/3\n"
	for _, x := range []struct {
		zone string
		env  string
		own  bool // the chroot has the zone
		root bool
		want string
	}{
		{berlin, "", false, false, "CET-1CEST,M3.5.0,M10.5.0/3"}, {berlin, "", true, false, "Europe/Berlin"},
		{berlin, "", true, true, "CET-1CEST,M3.5.0,M10.5.0/3"}, {berlin, "Asia/Tokyo", true, true, "Asia/Tokyo"},
		{"TZif2\n<+0330>-3:30\n", "", false, true, "<+0330>-3:30"}, {"TZif2\n\n", "", true, true, "Europe/Berlin"},
		{"TZif2\n\n", "", false, true, ""}, {"TZif\x00\nCET-1\n", "", false, false, ""}, {"TZif2\nA B\n", "", false, false, ""},
		{"TZif2\nCET-1", "", false, false, ""}, {"TZif\n", "", false, false, ""}, {"\nCET-1\n", "", false, false, ""}, {"", "", false, false, ""},
	} {
		d := fakedesk.New(t, "TZ="+x.env)
		d.Write("host/usr/share/zoneinfo/Europe/Berlin", x.zone)
		d.Link("../usr/share/zoneinfo/Europe/Berlin", "host/etc/localtime")
		if x.own {
			d.Write("tree/usr/share/zoneinfo/Europe/Berlin", x.zone)
		}
		if x.root {
			d.Facts.Identity = session.Identity{Kind: session.AsRoot}
		}
		s := detectLocaleTime(d.Facts)
		want := session.Var{Name: "TZ", Value: x.want}
		if x.want == "" {
			want = session.Var{}
		}
		if got := s.Files[0].Instead; got != want {
			t.Errorf("%+v: %+v", x, got)
		}
	}
	d := fakedesk.New(t)
	d.Write("tree/etc/localtime", berlin) // and the host has none
	fakedesk.WantEnv(t, detectLocaleTime(d.Facts), map[string]string{"TZ": "UTC0"})
}

// The host's zones are shared only if the chroot does not have the zone of TZ.
func TestZone(t *testing.T) {
	d := fakedesk.New(t)
	d.Write("host/usr/share/zoneinfo/Europe/Berlin", "TZif2")
	for value, shared := range map[string]bool{"Europe/Berlin": true, ":Europe/Berlin": true, "Europe/Nowhere": false, "CET-1CEST": false,
		":/etc/localtime": false, "../zoneinfo/Europe/Berlin": false, ":": false} {
		d.SetEnv("TZ=" + value)
		want := map[string]string{"TZ": value}
		if shared {
			want["TZDIR"] = "/run/host/share/zoneinfo"
		}
		s := detectLocaleTime(d.Facts)
		fakedesk.WantEnv(t, s, want)
		if (len(s.Binds) == 1) != shared {
			t.Errorf("TZ=%s: %+v", value, s.Binds)
		}
	}
	d.Write("tree/usr/share/zoneinfo/Europe/Berlin", "TZif2")
	d.SetEnv("TZ=Europe/Berlin")
	fakedesk.WantEnv(t, detectLocaleTime(d.Facts), map[string]string{"TZ": "Europe/Berlin"})
}

// Without the locale, messages are in the person's language if translations exist.
func TestLanguage(t *testing.T) {
	d := fakedesk.New(t)
	d.Write("tree/usr/share/locale/de/LC_MESSAGES/x.mo", "")
	d.Write("tree/usr/share/locale-langpack/sr@latin/LC_MESSAGES/x.mo", "")
	d.Write("tree/usr/lib/locale/locale-archive", string(archive(binary.LittleEndian, "de_AT.utf8")))
	for _, test := range []struct {
		env  []string
		want string
	}{
		{[]string{"LANG=de_DE.UTF-8"}, "de_DE:de"},
		{[]string{"LANG=sr_RS.UTF-8@latin"}, "sr_RS@latin:sr_RS:sr@latin:sr"},
		{[]string{"LANG=de_DE.UTF-8", "LANGUAGE=fr"}, "fr"},
		{[]string{"LANG=de_AT.UTF-8"}, "-"}, // it exists
		{[]string{"LANG=fr_FR.UTF-8"}, "-"}, // no translations
		{[]string{"LANG=de_AT.UTF-8", "LC_MESSAGES=de_CH"}, "de_CH:de"},
		{[]string{"LANG=de_DE.UTF-8", "LC_ALL=C.UTF-8"}, "-"},
		{[]string{"LANG=de_AT.UTF-8", "LC_TIME=de_DE.UTF-8"}, "-"}, // not for messages
		{[]string{"LANG=../x"}, "-"}, {[]string{"LANG=."}, "-"}, {nil, "-"},
	} {
		d.SetEnv(test.env...)
		if got := fakedesk.Value(LocaleTime.Detect(d.Facts), "LANGUAGE"); got != test.want {
			t.Errorf("%q: LANGUAGE=%s, want %s", test.env, got, test.want)
		}
	}
}
