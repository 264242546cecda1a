package x11

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"chrun/session"
)

const cookieData = "0123456789abcdef"

func local(host, number string) Entry {
	return Entry{FamilyLocal, host, number, CookieName, cookieData + host}
}

func TestFormatAuthority(t *testing.T) {
	want := "\xff\xff\x00\x00\x00\x010\x00\x12MIT-MAGIC-COOKIE-1\x00\x10" + cookieData
	e := []Entry{{Family: FamilyWild, Number: "0", Name: CookieName, Data: cookieData}}
	if got := FormatAuthority(e); string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := ParseAuthority([]byte(want)); !slices.Equal(got, e) {
		t.Errorf("got %+v, want %+v", got, e)
	}
	for n := range len(want) { // each truncation of a second record
		if got := ParseAuthority([]byte(want + want[:n])); !slices.Equal(got, e) {
			t.Errorf("cut at %d: %+v", n, got)
		}
	}
	if got := FormatAuthority([]Entry{{Data: strings.Repeat("x", 1<<16)}}); len(got) != 0 {
		t.Errorf("an entry that is too long: %d bytes", len(got))
	}
}

func TestSelect(t *testing.T) {
	withWildcard := func(e Entry) Entry { e.Family, e.Address = FamilyWild, ""; return e }
	xdm := Entry{FamilyLocal, "here", "0", "XDM-AUTHORIZATION-1", "x"}
	inet := Entry{0, "\x0a\x00\x00\x01", "0", CookieName, "tcp cookie"}
	anyNumber := local("here", "")
	wildOld := Entry{FamilyWild, "old", "1", CookieName, "wild"}
	entries := []Entry{xdm, inet, local("there", "0"), local("here", "10"), local("here", "0"), wildOld, anyNumber}
	for _, tt := range []struct {
		name, display, suse string
		in                  []Entry
		want                []Entry
	}{
		{"host and number", ":0", "", entries, []Entry{withWildcard(local("here", "0"))}},
		{"ssh -X: loopback is local", "localhost:10.0", "", entries, []Entry{withWildcard(local("here", "10"))}},
		{"wildcard entries match with any address", ":1", "", entries, []Entry{withWildcard(wildOld)}},
		{"an empty number matches every display", ":9", "", entries, []Entry{withWildcard(anyNumber)}},
		{"XAUTHLOCALHOSTNAME", ":0", "there", entries, []Entry{withWildcard(local("there", "0"))}},
		{"an entry of another host", ":0", "", []Entry{local("there", "0")}, nil},
		{"only XDM", ":0", "", []Entry{xdm}, nil},
		{"remote: unchanged, without local ones", "box:0", "", entries, []Entry{inet}},
		{"remote: none", "box:3", "", entries, nil},
		{"a path has number 0", "/sock", "", entries, []Entry{withWildcard(local("here", "0"))}},
	} {
		d, err := ParseDisplay(tt.display, existing("/sock"))
		if err != nil {
			t.Fatal(err)
		}
		if got := SelectEntries(tt.in, d, "here", tt.suse); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
	d := Display{Screen: -1}
	renamed := []Entry{local("first", "0"), local("last", "0"), local("last", "1"), xdm}
	if got := SelectRenamedEntries(renamed, d); !slices.Equal(got, []Entry{withWildcard(local("last", "0"))}) {
		t.Errorf("renamed: %+v", got)
	}
	if got := SelectRenamedEntries(renamed, Display{Host: "box"}); got != nil {
		t.Errorf("renamed, remote: %+v", got)
	}
}

func TestReadAuthority(t *testing.T) {
	dir := t.TempDir()
	at := func(n string) session.HostPath { return session.HostPath(filepath.Join(dir, n)) }
	want := []Entry{local("here", "0")}
	good := FormatAuthority(want)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(string(at("good")), append(good, 1, 0, 0, 9), 0o600))
	must(os.WriteFile(string(at("large")), bytes.Repeat([]byte{0}, MaxAuthority+1), 0o600))
	must(os.Symlink("good", string(at("link"))))
	must(syscall.Mkfifo(string(at("fifo")), 0o600))
	uid := os.Getuid()
	for _, tt := range []struct {
		name         string
		owner, flags int
		ok           bool
	}{
		{"good", uid, syscall.O_NOFOLLOW, true},
		{"good", AnyOwner, 0, true},
		{"good", uid + 1, 0, false},
		{"link", uid, 0, true},
		{"link", uid, syscall.O_NOFOLLOW, false},
		{"large", uid, 0, false},
		{"fifo", uid, 0, false},
		{".", uid, 0, false},
		{"gone", uid, 0, false},
	} {
		got, err := ReadAuthority(at(tt.name), tt.owner, tt.flags)
		var pe *fs.PathError
		if tt.ok != (err == nil) || tt.ok && !slices.Equal(got, want) || err != nil && !errors.As(err, &pe) {
			t.Errorf("%+v: %+v, %v", tt, got, err)
		}
	}
}

func FuzzAuthority(f *testing.F) {
	record := FormatAuthority([]Entry{local("here", "0"), {Family: FamilyWild}})
	f.Add(record)
	f.Add(record[:len(record)-3])
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		entries := ParseAuthority(in)
		out := FormatAuthority(entries)
		if !bytes.HasPrefix(in, out) {
			t.Errorf("%q was formatted as %q", in, out)
		}
		if again := ParseAuthority(out); !slices.Equal(again, entries) {
			t.Errorf("%+v became %+v", entries, again)
		}
		for _, d := range []Display{{}, {Host: "localhost", Number: 10}} {
			for _, e := range append(SelectEntries(entries, d, "here", ""), SelectRenamedEntries(entries, d)...) {
				if e.Family != FamilyWild || e.Address != "" || e.Name != CookieName {
					t.Errorf("%v selected %+v", d, e)
				}
			}
		}
		for _, e := range SelectEntries(entries, Display{Host: "box"}, "here", "") {
			if !slices.Contains(entries, e) {
				t.Errorf("a remote display's entry was changed: %+v", e)
			}
		}
	})
}
