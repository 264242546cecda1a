package headless

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Join returns the running desktop of u, or nil if no display answers. env is the
// environment of this process. If u is another user, env usually has only DISPLAY
// (as under sudo), and the rest comes from u's runtime directory. Close does not
// stop such a desktop.
func Join(u User, env []string) *Session {
	s := &Session{User: u, Env: slices.Clone(env)}
	if s.Getenv("WAYLAND_DISPLAY") == "" && s.Getenv("DISPLAY") == "" {
		return nil
	}
	s.RuntimeDir = s.Getenv("XDG_RUNTIME_DIR")
	if os.Getuid() != u.UID {
		s.RuntimeDir = fmt.Sprintf("/run/user/%d", u.UID)
		s.Env = []string{
			"HOME=" + u.Home, "USER=" + u.Name, "LOGNAME=" + u.Name, "PATH=" + s.Getenv("PATH"),
			"LANG=C.UTF-8", "XDG_RUNTIME_DIR=" + s.RuntimeDir,
			"DBUS_SESSION_BUS_ADDRESS=unix:path=" + s.RuntimeDir + "/bus",
		}
		from := &Session{Env: env}
		for _, name := range []string{"DISPLAY", "XAUTHORITY"} {
			if value := from.Getenv(name); value != "" {
				s.Env = append(s.Env, name+"="+value)
			}
		}
		sockets, _ := filepath.Glob(s.RuntimeDir + "/wayland-*[0-9]")
		for _, socket := range sockets {
			if s.dial(filepath.Base(socket)) == nil {
				s.Env = append(s.Env, "WAYLAND_DISPLAY="+filepath.Base(socket))
				break
			}
		}
	}
	if !s.Has(Wayland) && !s.Has(X11) {
		return nil
	}
	return s
}

// Has reports whether the session's display of that kind answers.
func (s *Session) Has(d Display) bool {
	switch name := s.Getenv("WAYLAND_DISPLAY"); {
	case d == X11:
		_, err := s.Output("xwininfo", "-root")
		return s.Getenv("DISPLAY") != "" && err == nil
	case name == "":
		return false
	case strings.HasPrefix(name, "/"):
		conn, err := net.Dial("unix", name)
		if err == nil {
			conn.Close()
		}
		return err == nil
	default:
		return s.dial(name) == nil
	}
}
