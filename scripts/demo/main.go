// Demo shows what chrun does: it opens Firefox and an X11 program from a chroot
// and plays a tone, on the desktop that is there or else on a headless one, and
// says in a few lines what came of it. `make demo` runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"chrun/internal/headless"
)

// demo is what every step knows.
type demo struct {
	ctx      context.Context
	session  *headless.Session
	headless bool   // nobody looks: windows are photographed and closed
	chrun    string // the launcher, where the session's user can run it
	chroot   string
	shared   string // a directory below /tmp, which is the same inside
	out      string // where screenshots and logs go
}

func main() {
	chroot := flag.String("chroot", "", "directory of the chroot")
	chrun := flag.String("chrun", "bin/chrun", "the launcher")
	out := flag.String("out", "demo", "directory for screenshots and logs")
	flag.Parse()
	ok, err := run(*chroot, *chrun, *out)
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
	if !ok {
		os.Exit(1)
	}
}

func run(chroot, chrun, out string) (ok bool, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d := &demo{ctx: ctx, out: out}
	defer d.close()
	if err := d.prepare(chroot, chrun); err != nil {
		return false, err
	}
	return d.show()
}

// prepare finds the chroot, the launcher and the desktop.
func (d *demo) prepare(chroot, chrun string) (err error) {
	if chroot == "" {
		return errors.New("which chroot? -chroot DIR")
	}
	if d.chroot, err = filepath.Abs(chroot); err != nil {
		return err
	}
	if _, err := os.ReadDir(d.chroot); err != nil {
		return err
	}
	if err := os.MkdirAll(d.out, 0o755); err != nil {
		return err
	}
	user, err := who()
	if err != nil {
		return err
	}
	if d.shared, err = os.MkdirTemp("/tmp", "chrun-demo-"); err != nil {
		return err
	}
	if err := os.Chmod(d.shared, 0o755); err != nil {
		return err
	}
	// The checkout may be in root's home, where an ordinary user cannot go.
	d.chrun = filepath.Join(d.shared, "chrun")
	if data, err := os.ReadFile(chrun); err != nil {
		return err
	} else if err := os.WriteFile(d.chrun, data, 0o755); err != nil {
		return err
	}
	return d.openDesktop(user)
}

// openDesktop joins the user's running desktop, or starts a headless one.
func (d *demo) openDesktop(user headless.User) (err error) {
	if user.UID != 0 {
		d.session = headless.Join(user, os.Environ())
	}
	if d.session == nil {
		if user.UID == 0 {
			if user, err = headless.TestUser(); err != nil {
				return err
			}
		}
		d.headless = true
		d.session, err = headless.Start(headless.Options{
			User: user, Compositor: "sway", X11: true, Sound: true, Bus: true,
		})
		if err != nil {
			if display := os.Getenv("WAYLAND_DISPLAY") + os.Getenv("DISPLAY"); display != "" {
				err = fmt.Errorf("%w\nhint: nothing answers on %s: env -u DISPLAY -u WAYLAND_DISPLAY make demo", err, display)
			}
			return err
		}
	}
	return nil
}

// close ends a headless desktop and removes the copy of the launcher.
func (d *demo) close() {
	if d.headless && d.session != nil {
		d.session.Close()
	}
	if d.shared != "" {
		os.RemoveAll(d.shared)
	}
}

// show runs the steps and prints their results.
func (d *demo) show() (ok bool, err error) {
	kind := "your desktop"
	if d.headless {
		kind = "a headless desktop"
	}
	fmt.Printf("chroot %s, %s of %s (uid %d)\n", d.chroot, kind, d.session.User.Name, d.session.User.UID)

	ok = true
	for _, step := range []struct {
		name string
		show func() (string, error)
	}{
		{"Firefox", d.firefox},
		{"X11", d.x11},
		{"sound", d.sound},
		{"traces", d.traces(mounts())},
	} {
		report, err := step.show()
		result := "PASS"
		switch {
		case d.ctx.Err() != nil:
			return false, d.ctx.Err()
		case err != nil:
			result, report, ok = "FAIL", err.Error(), false
		}
		fmt.Printf("%s  %-8s %s\n", result, step.name, report)
	}
	return ok, nil
}

// who is the ordinary user whose demo this is; root only when no other is known.
func who() (headless.User, error) {
	if name := os.Getenv("SUDO_USER"); os.Getuid() == 0 && name != "" {
		return headless.LookupUser(name)
	}
	if os.Getuid() == 0 {
		return headless.User{Name: "root"}, nil
	}
	return headless.TestUser()
}
