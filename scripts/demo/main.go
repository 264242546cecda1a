// Demo shows what chrun does: it opens Firefox and an X11 program from a chroot
// and plays a tone, on the user's desktop or else on a headless one, and prints
// one line about each. `make demo` runs it.
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

// demo is what every step needs.
type demo struct {
	ctx      context.Context
	session  *headless.Session
	headless bool   // there is no screen: windows are photographed and closed
	chrun    string // the launcher, where the session's user can run it
	chroot   string
	shared   string // a directory below /tmp, which is the same inside
	out      string // directory for screenshots and logs
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

// run makes the demo and reports whether every step succeeded.
func run(chroot, chrun, out string) (ok bool, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d := &demo{ctx: ctx, out: out}
	defer d.close()
	if err := d.prepare(chroot, chrun); err != nil {
		return false, err
	}
	if err := d.openDesktop(); err != nil {
		return false, err
	}
	kind := "your desktop"
	if d.headless {
		kind = "a headless desktop"
	}
	user := d.session.User
	fmt.Printf("chroot %s, %s of %s (uid %d)\n", d.chroot, kind, user.Name, user.UID)
	return d.showAll()
}

// prepare checks the chroot and makes the directories. It copies the launcher,
// because the checkout may be in root's home, which other users cannot enter.
func (d *demo) prepare(chroot, chrun string) (err error) {
	if chroot == "" {
		return errors.New("name a chroot: -chroot DIR")
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
	if d.shared, err = os.MkdirTemp("/tmp", "chrun-demo-"); err != nil {
		return err
	}
	if err := os.Chmod(d.shared, 0o755); err != nil {
		return err
	}
	data, err := os.ReadFile(chrun)
	if err != nil {
		return err
	}
	d.chrun = filepath.Join(d.shared, "chrun")
	return os.WriteFile(d.chrun, data, 0o755)
}

// openDesktop joins the user's desktop, or starts a headless one.
func (d *demo) openDesktop() error {
	user, err := findUser()
	if err != nil {
		return err
	}
	if user.UID != 0 {
		if d.session = headless.Join(user, os.Environ()); d.session != nil {
			return nil
		}
	} else if user, err = headless.TestUser(); err != nil {
		return err
	}
	d.headless = true
	d.session, err = headless.Start(headless.Options{
		User: user, Compositor: "sway", X11: true, Sound: true, Bus: true,
	})
	if display := os.Getenv("WAYLAND_DISPLAY") + os.Getenv("DISPLAY"); err != nil && display != "" {
		err = fmt.Errorf("%w\nhint: nothing answers on %s: env -u DISPLAY -u WAYLAND_DISPLAY make demo", err, display)
	}
	return err
}

// close ends a headless desktop and removes the shared directory.
func (d *demo) close() {
	d.session.Close()
	if d.shared != "" {
		os.RemoveAll(d.shared)
	}
}

// showAll runs the steps and prints a line about each.
func (d *demo) showAll() (ok bool, err error) {
	ok = true
	for _, step := range []struct {
		name string
		show func() (string, error)
	}{
		{"Firefox", d.showFirefox},
		{"X11", d.showX11},
		{"sound", d.playSound},
		{"traces", d.compareMounts(readMounts())},
	} {
		message, err := step.show()
		result := "PASS"
		switch {
		case d.ctx.Err() != nil:
			return false, d.ctx.Err()
		case err != nil:
			result, message, ok = "FAIL", err.Error(), false
		}
		fmt.Printf("%s  %-8s %s\n", result, step.name, message)
	}
	return ok, nil
}

// findUser returns the user whose desktop the demo uses; root only if no other
// user is known.
func findUser() (headless.User, error) {
	if name := os.Getenv("SUDO_USER"); os.Getuid() == 0 && name != "" {
		return headless.LookupUser(name)
	}
	if os.Getuid() == 0 {
		return headless.User{Name: "root"}, nil
	}
	return headless.TestUser()
}
