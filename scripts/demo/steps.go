package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"image/color"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"chrun/internal/headless"
)

// launch starts chrun with these arguments and writes its output to a file in
// d.out. A program that keepOpen is set for outlives the demo. ended receives the
// exit; end stops the program.
func (d *demo) launch(name string, keepOpen bool, args ...string) (ended chan error, end func(), err error) {
	log, err := os.Create(filepath.Join(d.out, name+".log"))
	if err != nil {
		return nil, nil, err
	}
	defer log.Close()
	ctx := d.ctx
	if keepOpen {
		ctx = context.Background() // d.ctx ends with the demo
	}
	cmd := d.session.Command(ctx, d.chrun, append([]string{"-c", d.chroot}, args...)...)
	cmd.Dir = "/tmp" // exists inside too
	cmd.Stdout, cmd.Stderr = log, log
	if keepOpen { // even when the terminal is closed
		cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Setsid = false, true
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	ended = make(chan error, 1)
	go func() {
		err := cmd.Wait()
		if text, _ := os.ReadFile(log.Name()); err != nil && len(text) > 0 {
			err = fmt.Errorf("%w\n%s", err, text[max(0, len(text)-2000):])
		}
		ended <- err
	}()
	end = func() {
		cmd.Cancel() // SIGTERM to the process group
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			cmd.Process.Kill()
		}
	}
	return ended, end, nil
}

// findProgram returns the first of the programs that the chroot has. A symlink is
// enough: an absolute one resolves only inside.
func (d *demo) findProgram(programs ...string) (string, error) {
	for _, program := range programs {
		for _, dir := range []string{"usr/local/bin", "usr/bin", "bin", "opt/bin"} {
			if _, err := os.Lstat(filepath.Join(d.chroot, dir, program)); err == nil {
				return program, nil
			}
		}
	}
	return "", fmt.Errorf("%s has no %s", d.chroot, strings.Join(programs, ", "))
}

// poll calls f four times a second until it succeeds, the program ends or 90
// seconds have passed.
func (d *demo) poll(ended chan error, f func() error) error {
	for deadline := time.Now().Add(90 * time.Second); ; {
		err := f()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case exit := <-ended:
			ended <- exit
			return fmt.Errorf("the program ended too early: %w; %v", err, exit)
		case <-d.ctx.Done():
			return d.ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

//go:embed page.html
var page string

// green is the page's background.
var green = color.RGBA{0x1f, 0x6f, 0x5c, 0xff}

// profile keeps the welcome page and the like out of the picture.
const profile = `user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("browser.tabs.firefox-view", false);
user_pref("browser.uitour.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.normandy.enabled", false);
user_pref("app.update.enabled", false);
`

// showFirefox opens a page in Firefox, on Wayland if the desktop has it, and
// waits until the page reports that it has been painted.
func (d *demo) showFirefox() (string, error) {
	program, err := d.findProgram("firefox-bin", "firefox", "firefox-esr")
	if err != nil {
		return "", err
	}
	display, args := "X11", []string{program}
	if d.session.Has(headless.Wayland) {
		display, args = "Wayland", []string{"--deny", "x11", "--env", "MOZ_ENABLE_WAYLAND=1", program}
	}
	if d.headless {
		dir, err := d.makeProfile()
		if err != nil {
			return "", err
		}
		args = append(args, "--new-instance", "--profile", dir)
	}
	address, painted, closeServer, err := d.servePage(program, display)
	if err != nil {
		return "", err
	}
	defer closeServer()

	begin := time.Now()
	ended, end, err := d.launch("firefox", !d.headless, append(args, "http://"+address)...)
	if err != nil {
		return "", err
	}
	if d.headless {
		defer end()
	}
	if err := d.poll(ended, func() error {
		select {
		case <-painted:
			return nil
		default:
			return errors.New("the page was not painted")
		}
	}); err != nil {
		return "", err
	}
	message := fmt.Sprintf("%s on %s painted the page after %.1f s", program, display, time.Since(begin).Seconds())
	if !d.headless {
		return message + " and stays open", nil
	}
	file := filepath.Join(d.out, "firefox-wayland.png")
	return message + ": " + file, d.poll(ended, func() error {
		picture, err := d.session.Screenshot(headless.Wayland, file)
		if err == nil && headless.Covered(picture, green) < 0.3 {
			err = errors.New("the page is not on the screen")
		}
		return err
	})
}

// makeProfile makes a Firefox profile for the session's user.
func (d *demo) makeProfile() (dir string, err error) {
	dir = filepath.Join(d.shared, "profile")
	return dir, errors.Join(os.Mkdir(dir, 0o700),
		os.WriteFile(filepath.Join(dir, "user.js"), []byte(profile), 0o644),
		os.Chown(dir, d.session.User.UID, d.session.User.GID))
}

// servePage serves the page on a local address. painted is closed when the page
// has been painted.
func (d *demo) servePage(program, display string) (address string, painted chan struct{}, closeServer func() error, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, nil, err
	}
	painted = make(chan struct{})
	closePainted := sync.OnceFunc(func() { close(painted) })
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		template.Must(template.New("").Parse(page)).Execute(w, map[string]string{
			"Chroot": d.chroot, "Firefox": program, "User": d.session.User.Name, "Display": display,
		})
	})
	mux.HandleFunc("/painted", func(http.ResponseWriter, *http.Request) { closePainted() })
	server := &http.Server{Handler: mux}
	go server.Serve(listener)
	return listener.Addr().String(), painted, server.Close, nil
}

// showX11 opens a small program that supports only X11.
func (d *demo) showX11() (string, error) {
	if !d.session.Has(headless.X11) {
		return "this desktop has no X11, skipped", nil
	}
	program, err := d.findProgram("xclock", "xeyes", "xlogo", "xterm")
	if err != nil {
		return "", err
	}
	ended, end, err := d.launch("x11", false, program, "-geometry", "400x400+440+200")
	if err != nil {
		return "", err
	}
	defer end()
	if err := d.poll(ended, func() error {
		tree, err := d.session.Output("xwininfo", "-root", "-tree")
		if err == nil && !strings.Contains(tree, `"`+program+`"`) {
			err = fmt.Errorf("%s has no window", program)
		}
		return err
	}); err != nil {
		return "", err
	}
	if !d.headless {
		return program + " opened a window, which is closed again", nil
	}
	file := filepath.Join(d.out, program+"-x11.png")
	return program + " opened a window: " + file, d.poll(ended, func() error {
		picture, err := d.session.Screenshot(headless.X11, file)
		if err == nil && headless.Covered(picture, color.Black) > 0.98 {
			err = fmt.Errorf("%s has drawn nothing", program)
		}
		return err
	})
}

// playSound plays a tone inside and records it outside.
func (d *demo) playSound() (string, error) {
	if _, err := exec.LookPath("parec"); err != nil {
		return "", err
	}
	if _, err := d.session.Output("pactl", "info"); err != nil && !d.headless {
		return "this desktop plays no sound, skipped", nil
	}
	program, err := d.findProgram("pw-play", "paplay", "aplay")
	if err != nil {
		return "", err
	}
	const pitch = 440
	file := filepath.Join(d.shared, "tone.wav")
	if err := os.WriteFile(file, headless.Tone(pitch, 1500*time.Millisecond, 0.05).WAV(), 0o644); err != nil {
		return "", err
	}
	recording, err := d.session.Record(func() error {
		ended, _, err := d.launch("sound", false, program, file)
		if err != nil {
			return err
		}
		return <-ended
	})
	if err != nil {
		return "", err
	}
	result := fmt.Sprintf("%s, recorded from the monitor: loudness %.4f, %.0f %% of it the tone of %d Hz",
		program, recording.Loudness(), 100*recording.Share(pitch), pitch)
	// On the user's own desktop other programs may play too, at any volume.
	if d.headless && recording.Share(pitch) < 0.5 || recording.Loudness() == 0 {
		return "", errors.New(result)
	}
	return result, nil
}

// compareMounts returns a step that fails if the host's mounts have changed.
func (d *demo) compareMounts(before string) func() (string, error) {
	return func() (string, error) {
		if now := readMounts(); now != before {
			return "", fmt.Errorf("the host's mounts have changed:\n%s", now)
		}
		return "the host's mounts are unchanged", nil
	}
}

func readMounts() string {
	data, _ := os.ReadFile("/proc/self/mounts")
	return string(data)
}
