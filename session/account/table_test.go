package account

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		line string
		want string // the result of String; "" if the line is invalid
	}{
		{"alice:x:1000:1000:Alice,,,:/home/alice:/bin/bash", "alice:x:1000:1000:Alice,,,:/home/alice:/bin/bash"},
		{"alice:x:1000:1000::/home/alice:/bin/bash\r", "alice:x:1000:1000::/home/alice:/bin/bash"},
		{" \talice:x:1000:1000:::", "alice:x:1000:1000:::"},
		{"DOM\\al ice:x:1000:1000:::", "DOM\\al ice:x:1000:1000:::"},
		{"alice:x:1000:1000:\xe4:/home/\xff:", "alice:x:1000:1000:\xe4:/home/\xff:"},
		{"a:x:4294967294:0:::", "a:x:4294967294:0:::"},
		{"a:x:4294967295:0:::", ""}, // (uid_t)-1
		{"a:x:-1:0:::", ""},
		{"a:x:+1:0:::", ""},
		{"a:x:0x1:0:::", ""},
		{"a:x::0:::", ""},
		{"a:x:1:1::/home", ""},
		{"a:x:1:1::/home:/bin/sh:", ""},
		{"+::::::", ""},
		{"+@people::1:1:::", ""},
		{"-bob:x:1:1:::", ""},
		{"#a:x:1:1:::", ""},
		{":x:1:1:::", ""},
		{"../a:x:1:1:::", ""},
		{"a\x1b[31m:x:1:1:::", ""},
		{"a:x:1:1::/home\x00:", ""},
		{"", ""},
	} {
		a, ok := Parse(c.line)
		if got := a.String(); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("Parse(%q) = %q, %v; want %q", c.line, got, ok, c.want)
		}
	}
}

func TestStringHasOneLine(t *testing.T) {
	a := Account{Name: "a:b\n", UID: 1, GID: 2, Comment: "\x00:\r", Home: "/h\n:x", Shell: "/s:"}
	if got, want := a.String(), "ab:x:1:2::/hx:/s"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}

const tree = `root:x:0:0:root:/root:/bin/bash
# a comment: with colons
daemon:x:1:1::/:/usr/sbin/nologin
broken:x
bob:x:1000:1000:Bob:/home/bob:/bin/zsh
carol:x:1001:1001::/home/carol:
bob:x:1002:1002:another:/home/bob2:/bin/sh
nobody:x:65534:65534::/:/usr/sbin/nologin
+::::::`

func TestTable(t *testing.T) {
	tab := Table(tree)
	if a, ok := tab.ByUID(1000); !ok || a.Name != "bob" || a.Comment != "Bob" {
		t.Errorf("ByUID(1000) = %v, %v", a, ok)
	}
	if a, ok := tab.ByName("bob"); !ok || a.UID != 1000 {
		t.Errorf("ByName(bob) = %v, %v: not the first one", a, ok)
	}
	for _, name := range []string{"", "bo", "ob", "broken", "+", "x", "# a comment"} {
		if a, ok := tab.ByName(name); ok {
			t.Errorf("ByName(%q) = %v", name, a)
		}
	}
	if a, ok := tab.ByUID(100); ok {
		t.Errorf("ByUID(100) = %v", a)
	}
	n := 0
	for range tab.All() {
		n++
	}
	if n != 6 {
		t.Errorf("All yields %d accounts, want 6", n)
	}
}

func TestGroups(t *testing.T) {
	g := Groups("root:x:0:\naudio:x:29:bob,carol\r\nshort:x:30\nbad:x:x:\n+:::\nnul\x00:x:31:\nlast:x:1000:a:b")
	for gid, want := range map[int]string{0: "root", 29: "audio", 30: "short", 1000: "last", 31: "", 2: "", 100: ""} {
		if name, ok := g.ByGID(gid); name != want || ok != (want != "") {
			t.Errorf("ByGID(%d) = %q, %v; want %q", gid, name, ok, want)
		}
	}
}

// Large files, on which an algorithm with quadratic cost would not finish.
func hostile() map[string][]byte {
	var many bytes.Buffer
	for i := range 50_000 {
		fmt.Fprintf(&many, "u%d:x:%d:%d::/:\n", i, i+2000, i)
	}
	return map[string][]byte{
		"lines":    many.Bytes(),
		"one line": bytes.Repeat([]byte("1500:"), 200_000),
		"newlines": bytes.Repeat([]byte("\n"), 1<<20),
		"NULs":     make([]byte, 1<<20),
		"same":     bytes.Repeat([]byte("alice:x:1:1:::\n"), 100_000),
		"taken":    bytes.Repeat([]byte("alice_1500:x:1:\nalice:x:1:\n"), 100_000),
	}
}

func TestHostile(t *testing.T) {
	a := Account{Name: "alice", UID: 1500, GID: 1500, Home: "/home/alice", Shell: "/bin/sh"}
	for name, data := range hostile() {
		t.Run(name, func(t *testing.T) {
			checkPasswd(t, data, a)
			checkGroup(t, data, 1500, "alice")
		})
	}
}

func checkPasswd(t *testing.T, tree []byte, a Account) {
	t.Helper()
	out, changed := PatchPasswd(tree, a)
	if !changed && !bytes.Equal(out, tree) {
		t.Fatal("not changed, but different")
	}
	byName, ok1 := Table(out).ByName(a.Name)
	byUID, ok2 := Table(out).ByUID(a.UID)
	if !ok1 || !ok2 || byName.String() != a.String() || byUID.String() != a.String() {
		t.Fatalf("%q found as %q and %q", a, byName, byUID)
	}
	if again, changed := PatchPasswd(out, a); changed {
		t.Fatalf("changed once more, to %q", again)
	}
	if !changed {
		return
	}
	rest, ok := bytes.CutPrefix(out, []byte(a.String()+"\n"))
	if !ok {
		t.Fatal("the account's line is not the first one")
	}
	var want []byte
	for _, line := range bytes.SplitAfter(tree, []byte("\n")) {
		name, _, ok := strings.Cut(string(line), ":")
		if !ok || strings.TrimLeft(name, " \t") != a.Name {
			want = append(want, line...)
		}
	}
	if !bytes.Equal(rest, want) {
		t.Fatal("lines of other accounts have changed")
	}
}

func checkGroup(t *testing.T, tree []byte, gid int, name string) {
	t.Helper()
	out, changed := PatchGroup(tree, gid, name)
	if changed == bytes.Equal(out, tree) || !bytes.HasPrefix(out, tree) {
		t.Fatal("lines of the tree have changed, or changed is wrong")
	}
	got, ok := Groups(out).ByGID(gid)
	if !ok {
		t.Fatalf("group %d is not found", gid)
	}
	if !changed {
		return
	}
	for line := range splitLines(tree) {
		if string(firstField(line)) == got {
			t.Fatalf("the name %q of group %d was taken", got, gid)
		}
	}
}
