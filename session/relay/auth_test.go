package relay

import (
	"bytes"
	"strings"
	"testing"
)

const nul = "\x00"

func TestAuth(t *testing.T) {
	const in, out, root = "31303030", "31353030", "30" // 1000, 1500, 0
	long := strings.Repeat("x", maxLine)
	for _, c := range []struct{ name, in, want string }{
		{"libdbus", nul + "AUTH EXTERNAL " + in + "\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\nl\x01", nul + "AUTH EXTERNAL " + out + "\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\nl\x01"},
		{"after DATA", nul + "AUTH EXTERNAL\r\nDATA " + in + "\r\n", nul + "AUTH EXTERNAL\r\nDATA " + out + "\r\n"},
		{"DATA after an unknown command", nul + "AUTH EXTERNAL\r\nHELLO\r\nDATA " + in + "\r\n", nul + "AUTH EXTERNAL\r\nHELLO\r\nDATA " + out + "\r\n"},
		{"REJECTED, then again", nul + "AUTH\r\nAUTH EXTERNAL " + in + "\r\nCANCEL\r\nAUTH EXTERNAL " + in + "\r\n", nul + "AUTH\r\nAUTH EXTERNAL " + out + "\r\nCANCEL\r\nAUTH EXTERNAL " + out + "\r\n"},
		{"ERROR, then AUTH", nul + "ERROR \"no\"\r\nAUTH EXTERNAL " + in + "\r\n", nul + "ERROR \"no\"\r\nAUTH EXTERNAL " + out + "\r\n"},
		{"blanks", nul + "AUTH \t EXTERNAL\t " + in + "\r\n", nul + "AUTH \t EXTERNAL\t " + out + "\r\n"},
		// These stay as they are.
		{"sd-bus", nul + "AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\nl\x01\r\nAUTH EXTERNAL " + in + "\r\n", ""},
		{"another uid", nul + "AUTH EXTERNAL " + root + "\r\nAUTH EXTERNAL " + out + "\r\n", ""},
		{"more than the uid", nul + "AUTH EXTERNAL " + in + "30\r\nAUTH EXTERNAL " + in + " \r\nAUTH EXTERNAL 30" + in + "\r\n", ""},
		{"other mechanisms", nul + "AUTH ANONYMOUS " + in + "\r\nAUTH DBUS_COOKIE_SHA1 " + in + "\r\nDATA " + in + "\r\nauth EXTERNAL " + in + "\r\n", ""},
		{"DATA without AUTH", nul + "DATA " + in + "\r\nAUTH EXTERNAL 30\r\nDATA " + in + "\r\n", ""},
		{"DATA after CANCEL", nul + "AUTH EXTERNAL\r\nCANCEL\r\nDATA " + in + "\r\nAUTH EXTERNAL\r\nERROR\r\nDATA " + in + "\r\n", ""},
		{"a second DATA", nul + "AUTH EXTERNAL\r\nDATA\r\nDATA " + in + "\r\n", ""},
		{"after BEGIN", nul + "BEGIN\r\nAUTH EXTERNAL " + in + "\r\n", ""},
		{"no NUL", "AUTH EXTERNAL " + in + "\r\n", ""},
		{"no end", nul + "AUTH EXTERNAL " + in, ""},
		{"not the end of a line", nul + "AUTH EXTERNAL " + in + "\n\r\n", ""},
		{"nothing", "", ""},
		{"empty lines", nul + "\r\n\r\n\r\r\n \r\n", ""},
		{"the longest line", nul + long + "\r\nAUTH\r\n", ""},
		{"a line too long", nul + long + "x\r\n", "error"},
		{"a line without end", nul + long + long, "error"},
	} {
		want := c.want
		if want == "" {
			want = c.in
		}
		for _, step := range []int{len(c.in) + 1, 1, 2, 3, 7} {
			got, err := rewrite([]byte(c.in), func() int { return step })
			if want == "error" {
				if err != errLine {
					t.Errorf("%s, %d at once: %v", c.name, step, err)
				}
			} else if err != nil || string(got) != want {
				t.Errorf("%s, %d at once:\n got %.99q, %v\nwant %.99q", c.name, step, got, err, want)
			}
		}
	}
}

// A complete line must not be kept, because the client may wait for the answer.
func TestAuthKeepsNothing(t *testing.T) {
	a := newAuth(1000, 1500)
	for _, s := range []string{nul, "AUTH\r\n", "AUTH EXTERNAL\r\n", "BEGIN\r\n", "l"} {
		if out, err := a.rewrite([]byte(s)); err != nil || string(out) != s {
			t.Errorf("%q became %q, %v", s, out, err)
		}
	}
	if !a.done {
		t.Error("BEGIN does not end the authentication")
	}
}

// rewrite passes data in pieces and overwrites each afterwards, as a pipe does with
// its buffer.
func rewrite(data []byte, size func() int) (got []byte, err error) {
	a := newAuth(1000, 1500)
	for len(data) > 0 {
		piece := bytes.Clone(data[:min(size(), len(data))])
		data = data[len(piece):]
		out, err := a.rewrite(piece)
		got = append(got, out...)
		clear(piece)
		if err != nil {
			return got, err
		}
	}
	return append(got, a.rest()...), nil
}

func FuzzAuth(f *testing.F) {
	f.Add([]byte(nul+"AUTH EXTERNAL 31303030\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\nl\x01\x00\x01"), []byte{1, 9})
	f.Add([]byte(nul+"AUTH EXTERNAL\r\nDATA 31303030\r\nBEGIN\r\nAUTH EXTERNAL 31303030\r\n"), []byte{3})
	f.Add([]byte(nul+"AUTH\r\nERROR\r\nCANCEL\r\n\r\r\nAUTH  EXTERNAL\t31303030\r\n"), []byte{200})
	f.Fuzz(func(t *testing.T, data, sizes []byte) {
		got, err := rewrite(data, func() int { return len(data) })
		i := -1
		split, splitErr := rewrite(data, func() int {
			if i++; len(sizes) == 0 {
				return 1
			}
			return 1 + int(sizes[i%len(sizes)])
		})
		if !bytes.Equal(got, split) || err != splitErr {
			t.Fatalf("in one piece %q, %v\nin pieces %q, %v", got, err, split, splitErr)
		}
		if err != nil {
			return
		}
		const from, to, end = "31303030", "31353030", "\r\n"
		before, after := strings.Split(string(data), end), strings.Split(string(got), end)
		if len(before) != len(after) {
			t.Fatalf("%d lines became %d", len(before), len(after))
		}
		for i, line := range before {
			if line == after[i] {
				continue
			}
			command, ok := strings.CutSuffix(strings.TrimPrefix(line, nul), from)
			if word := strings.Fields(command); !ok || strings.TrimPrefix(after[i], nul) != command+to ||
				!(len(word) == 1 && word[0] == "DATA" || len(word) == 2 && word[0] == "AUTH" && word[1] == "EXTERNAL") {
				t.Fatalf("%q became %q", line, after[i])
			}
		}
	})
}
