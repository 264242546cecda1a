package test

import (
	"context"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// A failure that nobody would see, stderr being no terminal, is shown on the
// desktop.
func TestNotification(t *testing.T) {
	d := openDesktop(t, headless.Options{Bus: true})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	monitor := d.Command(ctx, "dbus-monitor", "--session", "interface=org.freedesktop.Notifications")
	var seen safeBuffer
	monitor.Stdout = &seen
	if err := monitor.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); monitor.Wait() }()
	// The monitor tells of its own start.
	waitFor(t, 5*time.Second, "the monitor", func() bool { return strings.Contains(seen.String(), "NameLost") || seen.String() != "" })
	if r := d.chrun(both, nil, "no-such-program"); r.code != 127 {
		t.Errorf("status %d: %s", r.code, r.stderr)
	}
	waitFor(t, 5*time.Second, "the notification", func() bool {
		return strings.Contains(seen.String(), "member=Notify") && strings.Contains(seen.String(), `cannot run "no-such-program": not found`)
	})
	// env -i, as from cron: the bus is found all the same.
	before := strings.Count(seen.String(), "member=Notify")
	d.chrun(empty, nil, "no-such-program")
	waitFor(t, 5*time.Second, "the second notification", func() bool { return strings.Count(seen.String(), "member=Notify") > before })
}
