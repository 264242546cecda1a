package headless

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// runClients runs programs that succeed only if their server answers, and compares
// their output.
func runClients(t *testing.T, s *Session, commands map[string]string) {
	t.Helper()
	for command, want := range commands {
		args := strings.Fields(command)
		if out, err := s.Output(args[0], args[1:]...); err != nil || !strings.Contains(out, want) {
			t.Errorf("%s: want %q, got %.200q, %v", command, want, out, err)
		}
	}
}

func TestDesktop(t *testing.T) {
	for _, o := range []Options{
		{Compositor: "sway", X11: true, Sound: true, Bus: true},
		{Compositor: "weston", Bus: true, Private: true},
	} {
		t.Run(o.Compositor, func(t *testing.T) {
			mounts := read(t, "/proc/self/mounts")
			u, err := TestUser()
			Must(t, "desktop", err)
			o.Home = filepath.Join(Dir(t, u), "home")
			s := Open(t, o)
			if st, err := os.Stat(s.RuntimeDir); err != nil || st.Mode().Perm() != 0o700 ||
				int(st.Sys().(*syscall.Stat_t).Uid) != s.User.UID {
				t.Errorf("the user does not own the runtime directory: %v, %v", st, err)
			}
			runClients(t, s, map[string]string{
				"id -u":        fmt.Sprint(s.User.UID),
				"pwd":          o.Home,
				"wayland-info": "wl_compositor",
				"gdbus call --session --dest org.freedesktop.DBus --object-path / --method org.freedesktop.DBus.GetId": "('",
			})
			if o.X11 {
				runClients(t, s, map[string]string{"xdpyinfo": "1280x800 pixels"})
			}
			if o.Compositor == "sway" {
				runClients(t, s, map[string]string{"wayland-info": "wl_seat"})
			}
			if o.Sound {
				runClients(t, s, map[string]string{"pw-cli info 0": "pipewire-0", "pactl info": "Default Sink: headless"})
			}
			// A process that detaches itself still belongs to the session.
			if err := s.Command(t.Context(), "setsid", "-f", "sleep", "1000").Run(); err != nil {
				t.Error(err)
			}
			if running := s.signal(0); len(running) < 3 {
				t.Errorf("the session has only the processes %v", running)
			}
			xServer := map[string]os.FileInfo{}
			if o.X11 {
				for _, file := range xFiles(s.Getenv("DISPLAY")[1:]) {
					if before, err := os.Lstat(file); err == nil { // a lock file is not always made
						xServer[file] = before
					}
				}
			}

			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if left := s.signal(0); len(left) > 0 {
				t.Errorf("processes %v remain", left)
			}
			if _, err := os.Lstat(s.RuntimeDir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s remains: %v", s.RuntimeDir, err)
			}
			for file, before := range xServer {
				if isUnchanged(file, before) {
					t.Errorf("%s remains", file)
				}
			}
			if now := read(t, "/proc/self/mounts"); !o.Private && now != mounts {
				t.Errorf("the mounts changed:\n%s", now)
			}
			if sockets := read(t, "/proc/net/unix"); strings.Contains(sockets, s.RuntimeDir+"/") {
				t.Error("a socket remains")
			}
		})
	}
}

func TestSound(t *testing.T) {
	s := Open(t, Options{Sound: true, Private: true})
	tone := filepath.Join(Dir(t, s.User), "tone.wav")
	if err := os.WriteFile(tone, Tone(440, time.Second, 0.1).WAV(), 0o644); err != nil {
		t.Fatal(err)
	}
	play := func() error { _, err := s.Output("pw-play", tone); return err }
	record := func() Sound {
		t.Helper()
		sound, err := s.Record(play)
		if err != nil {
			t.Fatal(err)
		}
		return sound
	}
	check := func(sound Sound) {
		t.Helper()
		if l, share := sound.Loudness(), sound.Share(440); l < 0.01 || share < 0.7 { // a busy machine drops samples
			t.Errorf("recorded %d samples, loudness %.3f, %.2f of it the tone", len(sound), l, share)
		}
	}
	check(record())

	silence, err := s.Record(func() error { time.Sleep(300 * time.Millisecond); return nil })
	if err != nil || len(silence) < rate/5 || silence.Loudness() != 0 {
		t.Errorf("silence: %d samples, loudness %v, %v", len(silence), silence.Loudness(), err)
	}

	if err := s.RestartPipewire(); err != nil {
		t.Fatal(err)
	}
	check(record())
}

func TestScreenshot(t *testing.T) {
	s := Open(t, Options{Compositor: "sway", X11: true, Private: true})
	file := filepath.Join(t.TempDir(), "screen.png")
	for _, d := range []Display{Wayland, X11} {
		picture, err := s.Screenshot(d, file)
		if err != nil {
			t.Error(err)
			continue
		}
		if size := picture.Bounds().Size(); size.X != 1280 || size.Y != 800 {
			t.Errorf("%s: size %v", d, size)
		}
		if share := Covered(picture, picture.At(600, 400)); share < 0.9 {
			t.Errorf("%s: only %.2f of the empty screen has its background colour", d, share)
		}
	}
}

// A killed session leaves its runtime directory mounted; the next one reuses it.
func TestKilled(t *testing.T) {
	Root(t)
	u, err := TestUser()
	Must(t, "root", err)
	dir, release, err := mountRuntimeDir(u)
	if err != nil || dir == "" {
		t.Skipf("%s has a session: %v", u.Name, err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	// The state after a kill: mounted, and not locked.
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, marker), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	again, release, err := mountRuntimeDir(u)
	if err != nil || again != dir {
		t.Fatalf("got %q, %v", again, err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

func TestServerThatFails(t *testing.T) {
	_, err := Start(Options{X11: true, XArgs: []string{"-no-such-option"}, Private: true})
	if err == nil || !strings.Contains(err.Error(), "no-such-option") {
		t.Errorf("want Xvfb's message, got %v", err)
	}
	if left, _ := filepath.Glob("/tmp/chrun-headless-*/xvfb.auth"); len(left) > 0 {
		t.Errorf("files remain: %v", left)
	}
}

func TestTone(t *testing.T) {
	tone := Tone(440, time.Second, 0.5)
	if l := tone.Loudness(); l < 0.3 || l > 0.36 { // 0.5/√2, less where it fades
		t.Errorf("loudness %v", l)
	}
	if at, off := tone.Share(440), tone.Share(600); at < 0.95 || off > 0.05 {
		t.Errorf("at 440 Hz %v, at 600 Hz %v", at, off)
	}
	if wav := tone.WAV(); len(wav) != 44+2*rate || !bytes.HasPrefix(wav[8:], []byte("WAVEfmt ")) {
		t.Errorf("%d bytes, %q", len(wav), wav[:44])
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
