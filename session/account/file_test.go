package account

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/session/rootfs"
)

// openLarge opens content as a large file of a tree, and as a small one, and checks
// which of them Open returns.
func openLarge(t *testing.T, content string) (large, small *File) {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"usr", "etc"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	at := filepath.Join(dir, "etc/passwd")
	if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	root, err := rootfs.Open(rootfs.HostPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	opened, err := Open(root, "/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(opened.Close)
	if isLarge := opened.large != nil; isLarge != (len(content) > maxSmall) {
		t.Errorf("%d bytes: large %v", len(content), isLarge)
	}
	f, err := os.Open(at)
	if err != nil {
		t.Fatal(err)
	}
	large = &File{large: f, size: int64(len(content))}
	t.Cleanup(large.Close)
	return large, &File{data: []byte(content), size: int64(len(content))}
}

// assemble returns the content of pieces of a file.
func assemble(original string, pieces []Piece) string {
	var b strings.Builder
	for _, p := range pieces {
		b.Write(p.Data)
		b.WriteString(original[p.Offset : p.Offset+p.Length])
	}
	return b.String()
}

// numbered returns the lines of n accounts.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "user%d:x:%d:%d:User:/home/user%[1]d:/bin/sh\n", i, i+10000, i+10000)
	}
	return b.String()
}

// A large file gives the same answers as a small one.
func TestLargeFile(t *testing.T) {
	many, long := numbered(20000), strings.Repeat("x", maxLine+7)
	for name, content := range map[string]string{
		"many": many, "no newline": many + "alice:x:7:7::/:/bin/sh", "first": "alice:x:1500:7::/:/bin/sh\n" + many,
		"twice": "alice:x:7:7::/:/bin/sh\n" + many + "\n alice:x:8:8::/:/bin/sh\n#alice\nalice:broken\n" + many + "bob:x:1500:1::/:\n",
		"long":  "al:x:1:1::/:/\n" + long + "\nalice:x:7:7::/:/bin/sh\n" + many + long, "empty lines": "\n\n" + many + "\n\n",
		"short": "a\n", "blank": "\n",
	} {
		t.Run(name, func(t *testing.T) {
			large, small := openLarge(t, content)
			for _, user := range []string{"", "alice", "user19999", "user0", "15000", "nobody"} {
				accept := func(string) bool { return true }
				host := Account{Name: "alice", UID: 1500, GID: 1501, Home: "/home/alice", Shell: "/bin/sh"}
				a1, known1, err1 := Choose(large.Accounts(user, host), user, host, accept)
				a2, known2, err2 := Choose(small.Accounts(user, host), user, host, accept)
				if a1 != a2 || known1 != known2 || fmt.Sprint(err1) != fmt.Sprint(err2) {
					t.Errorf("%q: %+v %v %v, want %+v %v %v", user, a1, known1, err1, a2, known2, err2)
				}
				if err2 != nil {
					continue
				}
				for _, a := range []Account{a2, host} {
					got, changed1 := large.PatchPasswd(a)
					want, changed2 := small.PatchPasswd(a)
					if changed1 != changed2 || changed2 && assemble(content, got) != string(want[0].Data) {
						t.Errorf("passwd with %+v: %v, want %v, or the content differs", a, changed1, changed2)
					}
				}
			}
			for _, gid := range []int{7, 12345, 70000} {
				for _, name := range []string{"user", "x"} {
					got, changed1 := large.PatchGroup(gid, name)
					want, changed2 := small.PatchGroup(gid, name)
					if changed1 != changed2 || changed2 && assemble(content, got) != string(want[0].Data) {
						t.Errorf("group %s with %d: %v, want %v, or the content differs", name, gid, changed1, changed2)
					}
				}
			}
		})
	}
}

// Chunks are whole lines at their offsets, and together the file.
func TestChunks(t *testing.T) {
	content := numbered(30000)
	large, _ := openLarge(t, content)
	var all []byte
	for offset, chunk := range large.chunks() {
		if int(offset) != len(all) || chunk[len(chunk)-1] != '\n' {
			t.Fatalf("at %d instead of %d: %q", offset, len(all), chunk[max(0, len(chunk)-50):])
		}
		all = append(all, chunk...)
	}
	if !bytes.Equal(all, []byte(content)) {
		t.Error("the chunks are not the file")
	}
}

// The message about an unknown account names the same people, whatever is repeated.
func TestPeopleOfLargeFile(t *testing.T) {
	large, small := openLarge(t, strings.Repeat("eve:x:65534:1::/:\nbob:x:1001:1::/:\n", 12)+numbered(20000))
	var hints []string
	for _, f := range []*File{large, small} {
		_, _, err := Choose(f.Accounts("nobody", Account{Name: "alice", UID: 1500}), "nobody", Account{Name: "alice", UID: 1500}, nil)
		var unknown *NoSuchAccountError
		if !errors.As(err, &unknown) {
			t.Fatal(err)
		}
		hints = append(hints, unknown.Hint())
	}
	if want := "accounts in the chroot: bob, user0, user1, user2, user3"; hints[0] != want || hints[1] != want {
		t.Errorf("%q, not %q", hints, want)
	}
}

// Lines are found at their offsets, also those that an earlier search has found.
func TestFind(t *testing.T) {
	content := numbered(30000)
	large, _ := openLarge(t, content)
	for _, c := range []struct{ hints, want []string }{
		{[]string{":29999:", "user12:"}, []string{"user12", "user19999"}},
		{[]string{"user12:"}, []string{"user12"}},
		{[]string{":29999:", "user13:"}, []string{"user13", "user19999"}},
		{[]string{"nobody:"}, nil},
	} {
		var found []string
		for offset, line := range large.find(c.hints...) {
			if !strings.HasPrefix(content[offset:], string(line)+"\n") {
				t.Errorf("%q is not at %d", line, offset)
			}
			found = append(found, string(firstField(line)))
		}
		if !slices.Equal(found, c.want) {
			t.Errorf("%q: %q, want %q", c.hints, found, c.want)
		}
	}
}

// A rare text is found exactly where bytes.Contains finds it.
func FuzzRareText(f *testing.F) {
	f.Add(":1234:", []byte("user1:x:1234:1234::/:/bin/sh\n"), []byte("123:4:12"))
	f.Add(":12", []byte(":1:1:1::2:2:2:2:2\x81\x00:2:1:12"), []byte("12:1:12:1"))
	f.Add("a", []byte("bab"), []byte("abab"))
	f.Add("al", []byte(strings.Repeat("a", 40)+"l"), []byte("aaaa"))
	f.Add("al", []byte(strings.Repeat("la", 20)+"al"), []byte("al"))
	f.Fuzz(func(t *testing.T, text string, data, sample []byte) {
		if text == "" {
			return
		}
		rare := newRareText(text, sample)
		for end := range len(data) + 1 { // at all distances from the end
			if got, want := rare.isIn(data[:end]), bytes.Contains(data[:end], []byte(text)); got != want {
				t.Fatalf("%q in %q: %v, want %v (%+v)", text, data[:end], got, want, rare)
			}
		}
	})
}

// The search reads nothing outside of the data.
func TestRareTextAtEdges(t *testing.T) {
	const page = 4096
	mapped, err := unix.Mmap(-1, 0, 3*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mapped)
	for i := range mapped {
		mapped[i] = "ab"[i%2]
	}
	for _, i := range []int{0, 2} {
		if err := unix.Mprotect(mapped[i*page:(i+1)*page], unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"ab", "aba", "aa", "bab", "abb", "ababababab", "bbababab"} {
		rare := newRareText(text, []byte("ab"))
		for size := range 100 {
			for _, data := range [][]byte{mapped[page:][:size], mapped[2*page-size:][:size]} {
				if got, want := rare.isIn(data), bytes.Contains(data, []byte(text)); got != want {
					t.Errorf("%q in %q: %v", text, data, got)
				}
			}
		}
	}
}
