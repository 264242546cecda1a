package display

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// An X server is asked which cookie it accepts only where there are several and no
// compositor, which would start Xwayland for that.
func TestX11Ask(t *testing.T) {
	for _, tt := range []struct {
		name, accepts string
		unset, fails  bool
		wayland       bool
		want, asked   string
	}{
		{"the named one", "named", false, false, false, "named", "named"},
		{"the named one is dead", "home", false, false, false, "home", "named home"},
		{"that of the server", "auth", false, false, false, "auth", "named home auth"},
		{"none", "", false, false, false, "named", "named home auth"},
		{"the first is dead", "auth", true, false, false, "auth", "home auth"},
		{"no answer", "", false, true, false, "auth", "named"},
		{"Wayland is offered", "home", false, false, true, "named", ""},
	} {
		d := newDesk(t)
		d.listen("host/tmp/.X11-unix/X5")
		env := []string{"DISPLAY=:5", "XAUTHORITY=" + d.writeAuthority("other/a", "myhost", 5, "named")}
		home := d.writeAuthority("home/.Xauthority", "myhost", 5, "home")
		d.writeAuthority("run/xauth_AbCd", "myhost", 5, "home") // the same cookie again
		d.Must(os.Chtimes(home, time.Time{}, time.Now().Add(-time.Hour)))
		d.writeProcess(6, []string{"Xorg", ":5", "-auth", d.writeAuthority("other/b", "myhost", 5, "auth")})
		d.Must(os.Chtimes(d.Path("other/b"), time.Time{}, time.Now().Add(time.Hour)))
		d.writeLock(5, 6)
		if tt.unset {
			env = env[:1]
		}
		if tt.wayland {
			d.listen("run/wayland-0")
			env = append(env, "WAYLAND_DISPLAY=wayland-0")
		}
		f := d.facts(env...)
		var asked []string
		f.Caller.OpensDisplay = func(display string, cookie []byte, limit time.Duration) (bool, error) {
			if display != ":5" || limit <= 0 || limit > askTime {
				t.Errorf("%s: asks %s for %v", tt.name, display, limit)
			}
			asked = append(asked, string(cookie))
			if tt.fails {
				return false, errors.New("the X server does not answer")
			}
			return string(cookie) == tt.accepts, nil
		}
		s := X11.Detect(f)
		if got := sharedCookie(s); got != tt.want || strings.Join(asked, " ") != tt.asked {
			t.Errorf("%s: cookie %q, asked %q, %+v", tt.name, got, asked, s)
		}
	}
	// With one cookie nobody is asked.
	d := newDesk(t)
	d.listen("host/tmp/.X11-unix/X5")
	f := d.facts("DISPLAY=:5", "XAUTHORITY="+d.writeAuthority("home/.Xauthority", "myhost", 5, "one"))
	f.Caller.OpensDisplay = func(string, []byte, time.Duration) (bool, error) { t.Error("asked"); return false, nil }
	X11.Detect(f)
}
