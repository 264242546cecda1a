package doctor

import (
	"context"
	"errors"
	"testing"
)

// The command of a failed launch is one that can be typed, without the doctor's own
// flags; what only explains becomes a part of the text.
func TestLaunchFailed(t *testing.T) {
	for printed, want := range map[string][2]string{
		"chrun: cannot x: y\nchrun: hint: sudo sysctl a.b=1\n":                                        {"cannot x: y", "sudo sysctl a.b=1"},
		"chrun: cannot x: y\nchrun: hint: is it mounted? ls /x\n":                                     {"cannot x: y", "ls /x"},
		"chrun: cannot x: y\nchrun: hint: sudo apt-get install uidmap (on Debian; elsewhere other)\n": {"cannot x: y", "sudo apt-get install uidmap"},
		"chrun: cannot x: y\nchrun: hint: as root: sudo chrun --dry-run=json -c /x -u root\n":         {"cannot x: y", "sudo chrun -c /x -u root"},
		"chrun: cannot x: y\nchrun: hint: chrun --doctor=/usr/bin/chrunctl --identity=match\n":        {"cannot x: y", "chrun --identity=match"},
		"chrun: cannot x: y\nchrun: hint: needs a profile, or\nchrun: hint: sudo sysctl a=0\n":        {"cannot x: y", "sudo sysctl a=0"},
		"chrun: warning\nchrun: cannot x: y\nchrun: hint: name a directory inside: -C /\n":            {"cannot x: y; name a directory inside: -C /", ""},
		"chrun: cannot x: y\nchrun: hint: chrunctl add x DIR, or name the directory: -c DIR\n":        {"cannot x: y; chrunctl add x DIR, or name the directory: -c DIR", ""},
		"chrun: something else\n": {"something else", ""},
		"":                        {"broken", ""},
	} {
		c := launchFailed(context.Background(), errors.New("broken"), printed)
		if c.Text != want[0] || c.Values["command"] != want[1] {
			t.Errorf("%q: %q, %q; want %q", printed, c.Text, c.Values["command"], want)
		}
	}
}
