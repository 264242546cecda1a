package test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// A program inside finds the host's IBus like the library of IBus: through a file
// whose name contains the machine ID and the display.
func TestIBus(t *testing.T) {
	d := openDesktop(t, headless.Options{X11: true, Bus: true, Home: makeHome(t, nil), Private: true})
	ctx, cancel := context.WithCancel(context.Background())
	daemon := d.Command(ctx, "ibus-daemon", "--panel=disable")
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); daemon.Wait() }()
	files := filepath.Join(d.Getenv("HOME"), ".config/ibus/bus/*-unix-*")
	waitFor(t, 20*time.Second, "the daemon", func() bool { found, _ := filepath.Glob(files); return len(found) > 0 })
	const client = `. "$HOME/.config/ibus/bus/$(cat /etc/machine-id)-unix-${DISPLAY#:}" &&
		exec gdbus call --address "$IBUS_ADDRESS" --timeout 5 -d org.freedesktop.IBus -o /org/freedesktop/IBus -m org.freedesktop.IBus.GetAddress`
	connects := func(flags ...string) bool {
		t.Helper()
		r := d.chrun(both, flags, "sh", "-c", client)
		return r.code == 0 && strings.Contains(r.stdout, "('unix:")
	}
	waitFor(t, 20*time.Second, "an answer", func() bool { return connects() })
	for _, kind := range []string{"private", "temporary", "host"} {
		if !connects("--home", kind) {
			t.Errorf("%s home: IBus does not answer", kind)
		}
		if connects("--home", kind, "--deny", "session-bus") {
			t.Errorf("%s home: IBus answers although it is denied", kind)
		}
	}
	// A program that could write the address would receive what is typed elsewhere.
	d.chrun(both, nil, "sh", "-c", "for f in ~/.config/ibus/bus/*; do [ -w $f ] || echo safe; done").wantOutput(t, "safe")
}
