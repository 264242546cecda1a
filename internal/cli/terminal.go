package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"chrun/session"
)

// Terminal is where the commands print. What they print may come from a chroot, a
// configuration or the environment, so it replaces everything but text, newlines and
// tabs: no escape sequence reaches the terminal.
type Terminal struct{ Out io.Writer }

func (t Terminal) Write(b []byte) (int, error) {
	if _, err := io.WriteString(t.Out, session.PrintableText(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Line prints a text as one line: a newline in it cannot pretend to be another
// message.
func (t Terminal) Line(program, text string) {
	fmt.Fprintf(t, "%s: %s\n", program, session.Printable(text))
}

// JSON prints v as JSON. It escapes what Write would replace.
func (t Terminal) JSON(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	var text strings.Builder
	for _, r := range b.String() {
		if s := string(r); session.PrintableText(s) != s {
			fmt.Fprintf(&text, `\u%04x`, r) // such characters are only in strings
		} else {
			text.WriteString(s)
		}
	}
	_, err := io.WriteString(t, text.String())
	return err
}
