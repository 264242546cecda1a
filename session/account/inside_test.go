package account

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestPasswd(t *testing.T) {
	a := Account{Name: "alice", UID: 1500, GID: 1500, Home: "/home/alice", Shell: "/bin/sh"}
	const line = "alice:x:1500:1500::/home/alice:/bin/sh"
	for _, c := range []struct{ name, tree, want string }{
		{"empty", "", line + "\n"},
		{"no newline at the end", "root:x:0:0:::", line + "\nroot:x:0:0:::"},
		{"already patched", "root:x:0:0:::\n" + line + "\n", "root:x:0:0:::\n" + line + "\n"},
		{"already patched, another password field", strings.Replace(line, ":x:", "::", 1), strings.Replace(line, ":x:", "::", 1)},
		{"another home", "alice:x:1500:1500::/home/a:/bin/sh\nb:x:1:1:::\n", line + "\nb:x:1:1:::\n"},
		{"another number", "alice:x:1000:1000:::\n alice:x:1:1:::\nb\n", line + "\nb\n"},
		{"the number of another account", "bob:x:1500:1500:::\n" + line, line + "\nbob:x:1500:1500:::\n"},
		{"a longer name", "alice2:x:1:1:::\n", line + "\nalice2:x:1:1:::\n"},
		{"CRLF, NIS and NUL", "r:x:0:0:::\r\n+@g::::::\n\x00\nalice:\x00", line + "\nr:x:0:0:::\r\n+@g::::::\n\x00\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, changed := PatchPasswd([]byte(c.tree), a)
			if string(got) != c.want || changed != (c.want != c.tree) {
				t.Errorf("got %q, changed %v\nwant %q", got, changed, c.want)
			}
			checkPasswd(t, []byte(c.tree), a)
		})
	}
}

func TestGroup(t *testing.T) {
	for _, c := range []struct{ name, tree, group, want string }{
		{"empty", "", "alice", "alice:x:1500:\n"},
		{"known", "users:x:1500:", "alice", "users:x:1500:"},
		{"no newline at the end", "root:x:0:", "alice", "root:x:0:\nalice:x:1500:\n"},
		{"the name is taken", "alice:x:1000:\n", "alice", "alice:x:1000:\nalice_1500:x:1500:\n"},
		{"both names are taken", "alice_1500:x:1:\nalice:x:2:\n", "alice", "alice_1500:x:1:\nalice:x:2:\nalice_1500_1:x:1500:\n"},
		{"a name with special characters", "", "a,b:\n", "ab:x:1500:\n"},
		{"no valid name", "", "+", "group_1500:x:1500:\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, changed := PatchGroup([]byte(c.tree), 1500, c.group)
			if string(got) != c.want || changed != (c.want != c.tree) {
				t.Errorf("got %q, changed %v\nwant %q", got, changed, c.want)
			}
			checkGroup(t, []byte(c.tree), 1500, c.group)
		})
	}
}

func TestChoose(t *testing.T) {
	caller := Account{Name: "alice", UID: 1500, GID: 1600, Comment: "Alice", Home: "/home/alice", Shell: "/usr/bin/fish"}
	as := func(uid int) Account { a := caller; a.UID = uid; return a }
	all := []string{"/usr/bin/fish", "/bin/bash", "/bin/sh"}
	for _, c := range []struct {
		name, user string
		caller     Account
		shells     []string
		line       string // of the result, "" for NoSuchAccountError
		known      bool
	}{
		{"the caller's number", "", as(1000), all, "bob:x:1000:1000:Bob:/home/bob:/bin/zsh", true},
		{"supplied", "", caller, all, "alice:x:1500:1600:Alice:/home/alice:/usr/bin/fish", false},
		{"supplied, no fish", "", caller, all[1:], "alice:x:1500:1600:Alice:/home/alice:/bin/bash", false},
		{"supplied, no bash", "", caller, nil, "alice:x:1500:1600:Alice:/home/alice:/bin/sh", false},
		{"by name", "carol", caller, all, "carol:x:1001:1001::/home/carol:/bin/sh", true},
		{"by number", "1001", caller, all, "carol:x:1001:1001::/home/carol:/bin/sh", true},
		{"root", "root", caller, all, "root:x:0:0:root:/root:/bin/bash", true},
		{"the caller by name", "alice", caller, all, "alice:x:1500:1600:Alice:/home/alice:/usr/bin/fish", false},
		{"the caller by number", "1500", caller, all, "alice:x:1500:1600:Alice:/home/alice:/usr/bin/fish", false},
		{"unknown name", "dave", caller, all, "", false},
		{"unknown number", "77", caller, all, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, known, err := Choose(Table(tree), c.user, c.caller, func(s string) bool { return slices.Contains(c.shells, s) })
			if c.line == "" {
				var e *NoSuchAccountError
				if !errors.As(err, &e) || e.Hint() != "accounts in the chroot: bob, carol" {
					t.Fatalf("error %v", err)
				}
				return
			}
			if err != nil || a.String() != c.line || known != c.known {
				t.Errorf("got %q, %v, %v\nwant %q, %v", a, known, err, c.line, c.known)
			}
		})
	}
}

func FuzzPasswd(f *testing.F) {
	f.Add([]byte(tree), "alice", 1500, "/home/alice")
	f.Add([]byte("alice:x:1500:1500::/home/alice:/bin/sh"), "alice", 1500, "/home/alice")
	f.Add([]byte(" alice:x:07:1:::\r\n\x00:+"), "alice", 7, "/\xff:")
	f.Fuzz(func(t *testing.T, tree []byte, name string, uid int, home string) {
		a := Account{Name: name, UID: uid, GID: uid, Home: home, Shell: "/bin/sh"}
		if got, ok := Parse(a.String()); !ok || got.Name != name {
			t.Skip() // not a valid name or number
		}
		checkPasswd(t, tree, a)
		for a := range Table(tree).All() {
			if got, ok := Table(tree).ByName(a.Name); !ok || got.Name != a.Name {
				t.Fatalf("ByName(%q) = %v, %v", a.Name, got, ok)
			}
			if got, ok := Table(tree).ByUID(a.UID); !ok || got.UID != a.UID {
				t.Fatalf("ByUID(%d) = %v, %v", a.UID, got, ok)
			}
		}
	})
}

func FuzzGroup(f *testing.F) {
	f.Add([]byte("root:x:0:\naudio:x:29:bob"), 1500, "alice")
	f.Add([]byte("alice:x:0:\nalice_15:\n+:::\r\n\x00"), 15, "alice")
	f.Fuzz(func(t *testing.T, tree []byte, gid int, name string) {
		if gid < 0 || gid >= 1<<32-1 {
			t.Skip()
		}
		checkGroup(t, tree, gid, name)
	})
}
