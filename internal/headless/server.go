package headless

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// startTimeout is how long a server may take to answer.
const startTimeout = 20 * time.Second

// server is one process of the desktop.
type server struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// start starts a server as the session's user. It is killed when this process
// ends. The server gets extra, if not nil, as descriptor 3.
func (s *Session) start(env []string, extra *os.File, name string, args ...string) (*server, error) {
	log, err := os.Create(filepath.Join(s.log, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(name, args...)
	cmd.Env = append(append([]string{}, s.Env...), env...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	if extra != nil {
		cmd.ExtraFiles = []*os.File{extra}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid: true, Pdeathsig: syscall.SIGTERM, Credential: s.User.credential(),
	}
	started := make(chan error)
	s.fork <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, err
	}
	srv := &server{name, cmd, make(chan struct{})}
	go func() { cmd.Wait(); close(srv.done) }()
	s.servers = append(s.servers, srv)
	return srv, nil
}

// stop asks the server to end, so that it removes its sockets, then kills it.
func (srv *server) stop() {
	srv.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-srv.done:
	case <-time.After(3 * time.Second):
		srv.cmd.Process.Kill()
		<-srv.done
	}
}

// waitReady waits until f succeeds. If the server ends or does not become ready
// in time, the error includes the end of its log.
func (s *Session) waitReady(srv *server, f func() error) error {
	ended := false
	err := until(startTimeout, func() error {
		err := f()
		select {
		case <-srv.done:
			ended = true
			return nil
		default:
			return err
		}
	})
	if err == nil && !ended {
		return nil
	}
	if ended {
		err = fmt.Errorf("the server ended: %v", srv.cmd.ProcessState)
	}
	log, _ := os.ReadFile(filepath.Join(s.log, srv.name+".log"))
	return fmt.Errorf("%s: %w\n%s", srv.name, err, log[max(0, len(log)-2000):])
}

// dial returns nil if a server accepts connections on a socket of the runtime
// directory.
func (s *Session) dial(name string) error {
	conn, err := net.Dial("unix", filepath.Join(s.RuntimeDir, name))
	if err == nil {
		conn.Close()
	}
	return err
}

func (s *Session) startBus() error {
	address := "unix:path=" + s.RuntimeDir + "/bus"
	s.Env = append(s.Env, "DBUS_SESSION_BUS_ADDRESS="+address)
	srv, err := s.start(nil, nil, "dbus-daemon", "--session", "--nofork", "--nopidfile", "--address="+address)
	if err != nil {
		return err
	}
	return s.waitReady(srv, func() error { return s.dial("bus") })
}

const swayConfig = `xwayland disable
output * resolution 1280x800 background #30475e solid_color
default_border none
focus_on_window_activation none
`

func (s *Session) startCompositor() error {
	const socket = "wayland-1" // the first name that sway tries
	var srv *server
	var err error
	switch s.compositor {
	case "weston":
		srv, err = s.start(nil, nil, "weston", "--backend=headless-backend.so", "--socket="+socket,
			"--idle-time=0", "--no-config", "--width=1280", "--height=800")
	case "sway":
		config := filepath.Join(s.RuntimeDir, "sway.config")
		if err := os.WriteFile(config, []byte(swayConfig), 0o644); err != nil {
			return err
		}
		ipc := "SWAYSOCK=" + filepath.Join(s.RuntimeDir, "sway.sock")
		s.Env = append(s.Env, ipc)
		srv, err = s.start([]string{"WLR_BACKENDS=headless", "WLR_LIBINPUT_NO_DEVICES=1", "WLR_RENDERER=pixman"},
			nil, "sway", "--config", config)
	default:
		return fmt.Errorf("unknown compositor %q: use sway or weston", s.compositor)
	}
	if err != nil {
		return err
	}
	s.Env = append(s.Env, "WAYLAND_DISPLAY="+socket)
	return s.waitReady(srv, func() error { return s.dial(socket) })
}

func (s *Session) startX(args []string) error {
	if os.Getuid() == 0 { // a plain user's X server could not create it with this mode
		if err := os.MkdirAll("/tmp/.X11-unix", 0o777); err != nil {
			return err
		}
		if err := os.Chmod("/tmp/.X11-unix", 0o777|os.ModeSticky); err != nil {
			return err
		}
	}
	cookie := make([]byte, 16)
	rand.Read(cookie)
	addCookie := func(file, display string) error {
		_, err := s.Output("xauth", "-q", "-f", file, "add", display, ".", hex.EncodeToString(cookie))
		return err
	}
	// The server accepts every cookie in its file, whichever display it is for.
	auth := filepath.Join(s.RuntimeDir, "xvfb.auth")
	if err := addCookie(auth, ":0"); err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	srv, err := s.start(nil, w, "Xvfb", append([]string{"-displayfd", "3", "-auth", auth,
		"-screen", "0", "1280x800x24", "-noreset", "-nolisten", "tcp"}, args...)...)
	w.Close()
	if err != nil {
		return err
	}
	r.SetReadDeadline(time.Now().Add(startTimeout))
	number, err := bufio.NewReader(r).ReadString('\n')
	if err = s.waitReady(srv, func() error { return err }); err != nil {
		return err
	}
	number = strings.TrimSpace(number)
	for _, file := range xFiles(number) {
		s.undo = append(s.undo, removeIfSame(file)) // in case the server had to be killed
	}
	xauthority := filepath.Join(s.RuntimeDir, "xauth")
	s.Env = append(s.Env, "DISPLAY=:"+number, "XAUTHORITY="+xauthority)
	// Also in the server's own file, which programs without XAUTHORITY find through
	// the server's command line.
	return errors.Join(addCookie(auth, ":"+number), addCookie(xauthority, ":"+number))
}

// xFiles are the socket and the lock file of an X server.
func xFiles(number string) []string {
	return []string{"/tmp/.X11-unix/X" + number, "/tmp/.X" + number + "-lock"}
}

// removeIfSame returns a function that removes a file, unless another file
// has replaced it: a new server may take the number of one that has ended.
func removeIfSame(file string) func() error {
	before, err := os.Lstat(file)
	return func() error {
		if err == nil && isUnchanged(file, before) {
			os.Remove(file)
		}
		return nil
	}
}

// isUnchanged reports whether a file is still the one that was before.
func isUnchanged(file string, before os.FileInfo) bool {
	now, err := os.Lstat(file)
	return err == nil && os.SameFile(before, now) && now.ModTime().Equal(before.ModTime())
}

// noHardware is configuration that keeps wireplumber (0.4: Lua, 0.5: JSON) away
// from real devices.
var noHardware = map[string]string{
	"main.lua.d/51-headless.lua": "alsa_monitor.enabled = false\n" +
		"v4l2_monitor.enabled = false\nlibcamera_monitor.enabled = false\n",
	"bluetooth.lua.d/51-headless.lua": "bluez_monitor.enabled = false\n",
	"wireplumber.conf.d/headless.conf": "wireplumber.profiles = { main = {\n" +
		"hardware.audio = disabled, hardware.bluetooth = disabled, hardware.video-capture = disabled } }\n",
}

// sink is the name of the sink that a session with sound plays to.
const sink = "headless"

func (s *Session) startSound() error {
	config, state := filepath.Join(s.RuntimeDir, "config"), filepath.Join(s.RuntimeDir, "state")
	for name, text := range noHardware {
		file := filepath.Join(config, "wireplumber", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := s.User.mkdir(state); err != nil {
		return err
	}
	env := []string{"XDG_CONFIG_HOME=" + config, "XDG_STATE_HOME=" + state}
	var manager *server // wireplumber, which makes the sink the default
	for _, daemon := range []struct{ name, socket string }{
		{"pipewire", "pipewire-0"}, {"wireplumber", "pipewire-0"}, {"pipewire-pulse", "pulse/native"},
	} {
		srv, err := s.start(env, nil, daemon.name)
		if err != nil {
			return err
		}
		if err := s.waitReady(srv, func() error { return s.dial(daemon.socket) }); err != nil {
			return err
		}
		if daemon.name == "wireplumber" {
			manager = srv
		}
	}
	loaded := false
	return s.waitReady(manager, func() error {
		if !loaded {
			_, err := s.Output("pactl", "load-module", "module-null-sink", "sink_name="+sink)
			if err != nil {
				return err
			}
			loaded = true
		}
		name, err := s.Output("pactl", "get-default-sink")
		if err == nil && name != sink {
			err = fmt.Errorf("the default sink is %q", name)
		}
		return err
	})
}

// RestartPipewire stops PipeWire and its companions and starts them again, as an
// update of the host does.
func (s *Session) RestartPipewire() error {
	rest := s.servers[:0:0]
	for _, srv := range s.servers {
		switch srv.name {
		case "pipewire", "wireplumber", "pipewire-pulse":
			srv.stop()
		default:
			rest = append(rest, srv)
		}
	}
	s.servers = rest
	return s.startSound()
}
