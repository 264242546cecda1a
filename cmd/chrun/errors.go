package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/desktop"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/config"
	"chrun/session/launch"
	"chrun/session/rootfs"
)

// show prints the plan for --dry-run.
func show(plan *session.Plan, form string) error {
	switch form {
	case "shell":
		_, err := os.Stdout.WriteString(plan.Shell())
		return err
	case "json":
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(plan)
	}
	_, err := os.Stdout.WriteString(plan.Text())
	return err
}

// chrootError says that the tree cannot be entered.
type chrootError struct {
	dir rootfs.HostPath
	err error
}

func (e *chrootError) Error() string {
	var not *rootfs.NotChrootError
	if errors.As(e.err, &not) {
		return fmt.Sprintf("cannot enter %q: %s", e.dir, not.Why)
	}
	return fmt.Sprintf("cannot enter %q: %v", e.dir, cause(e.err))
}
func (e *chrootError) Unwrap() error { return e.err }

// located says where a file has what is wrong; at is "" if none has.
func located(err error, at string) error {
	if err == nil || at == "" {
		return err
	}
	return &locatedError{err, at}
}

type locatedError struct {
	err error
	at  string // FILE:LINE
}

func (e *locatedError) Error() string { return e.err.Error() + " (" + e.at + ")" }
func (e *locatedError) Unwrap() error { return e.err }

// cause is the innermost reason, without the system call's name.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// complain prints err with its hint and returns the exit status. It is the one
// printer of errors.
func complain(o *options, err error) int {
	text, status := explain(o, err)
	os.Stderr.WriteString(text)
	if !terminal(2) {
		// Started from a menu: nobody sees stderr.
		notify(o.app, strings.ReplaceAll(strings.TrimSpace(text), "chrun: ", ""))
	}
	return status
}

// notify shows a text on the desktop. What is about an entry, a keeper shows,
// which nobody waits for.
func notify(app, text string) {
	env := os.Environ()
	if app == "" {
		desktop.Notify(newCaller(env), "", "chrun", text, limit, 0)
		return
	}
	keeper(nil, nil, env, "note", app, text)
}

// keepNote is that keeper.
func keepNote(app, text string) int {
	if desktop.Notify(newCaller(os.Environ()), app, app, text, limit, 20*time.Second) != nil {
		return 1
	}
	return 0
}

// terminal says whether a descriptor is one.
func terminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}

// explain is what complain prints, and the exit status.
func explain(o *options, err error) (string, int) {
	status := 125
	var run *launch.ExecError
	if errors.As(err, &run) {
		status = run.Status()
	}
	var u usageError
	text := err.Error()
	if errors.As(err, &u) {
		text = "cannot read the command line: " + text
	} else if !strings.HasPrefix(text, "cannot ") {
		text = "cannot launch: " + text
	}
	text = "chrun: " + text + "\n"
	for _, h := range hints(o, err) {
		text += "chrun: hint: " + h + "\n"
	}
	return text, status
}

// hints names what to type next.
func hints(o *options, err error) []string {
	var (
		usage   usageError
		hinted  interface{ Hint() string }
		chroot  *chrootError
		cwd     *session.CwdError
		space   *launch.NamespaceError
		setup   *launch.SetupError
		program *launch.ExecError
		trusted *config.UntrustedError
		account *account.NoSuchAccountError
		none    *config.NoChoiceError
		unknown *config.UnknownError
	)
	one := func(format string, a ...any) []string { return []string{fmt.Sprintf(format, a...)} }
	switch {
	case errors.As(err, &usage):
		return one("chrun --help")
	case errors.As(err, &cwd):
		return one("name a directory inside: %s", session.Quote(append([]string{"chrun", "-C", "/"}, o.typed...)...))
	case errors.As(err, &chroot):
		return chrootHints(chroot)
	case errors.As(err, &space):
		h := namespaceHints(space)
		if !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.E2BIG) {
			h = append(h, "or as root, who needs none: "+session.Quote(append([]string{"sudo", "chrun"}, o.typed...)...))
		}
		return h
	case errors.As(err, &program):
		return programHints(o, program)
	case errors.As(err, &trusted):
		return one("sudo chown root:root %s && sudo chmod go-w %s", session.Quote(trusted.At), session.Quote(trusted.At))
	case errors.As(err, &account):
		if h := account.Hint(); h != "" {
			return []string{h}
		}
	case errors.As(err, &setup) && errors.Is(err, unix.ENOSYS):
		return one("%s", kernelHint(release()))
	case errors.As(err, &setup) && setup.Step == launch.StepHome:
		return one("name another home: --home=DIR, or --home=temporary")
	case errors.As(err, &setup) && setup.Step == launch.StepChdir:
		return one("name a directory that is in the chroot: -C DIR")
	case errors.As(err, &unknown) && unknown.Hint() == "":
		return one("chrunctl add %s DIR, or name the directory: -c DIR", session.Quote(unknown.Name))
	case errors.As(err, &none) && len(none.Known) == 0:
		return noChoiceHints(o)
	case errors.As(err, &hinted):
		if h := hinted.Hint(); h != "" {
			return []string{h}
		}
	}
	return nil
}

func chrootHints(e *chrootError) []string {
	var not *rootfs.NotChrootError
	switch {
	case errors.As(e.err, &not):
		return []string{"name the directory that holds usr, etc and bin of the other system: -c DIR"}
	case errors.Is(e.err, fs.ErrNotExist):
		return []string{"is it mounted? ls " + session.Quote(string(e.dir))}
	case errors.Is(e.err, unix.ENOTDIR):
		return []string{"name the directory that holds usr, etc and bin of the other system: -c DIR"}
	case errors.Is(e.err, fs.ErrPermission):
		return []string{"you need search permission on every directory above it: namei -l " + session.Quote(string(e.dir))}
	}
	return nil
}

// release is the kernel's, as "6.1.0-56-amd64".
func release() string {
	var u unix.Utsname
	unix.Uname(&u)
	return unix.ByteSliceToString(u.Release[:])
}

// kernelHint says why a system call is missing. 5.12 brought mount_setattr,
// the youngest of those that every launch makes.
func kernelHint(release string) string {
	var major, minor int
	fmt.Sscanf(release, "%d.%d", &major, &minor)
	if major < 5 || major == 5 && minor < 12 {
		return "chrun needs Linux 5.12 or newer; this is " + release
	}
	return "Linux " + release + " has that call, but something denies it here, such as a container's seccomp filter: grep Seccomp: /proc/self/status"
}

// namespaceHints says which switch of this host keeps user namespaces from
// working. Only the launch itself decides whether they do; the switches are
// read afterwards.
func namespaceHints(e *launch.NamespaceError) []string {
	const sys = "/proc/sys/"
	value := func(name string) string {
		data, _ := os.ReadFile(sys + name)
		return strings.TrimSpace(string(data))
	}
	switch {
	case errors.Is(e.Err, unix.ENOSYS), errors.Is(e.Err, unix.E2BIG):
		return []string{kernelHint(release())}
	case value("kernel/unprivileged_userns_clone") == "0":
		return []string{"sudo sysctl kernel.unprivileged_userns_clone=1"}
	case value("user/max_mnt_namespaces") == "0":
		return []string{"sudo sysctl user.max_mnt_namespaces=15000"}
	case value("user/max_net_namespaces") == "0":
		return []string{"sudo sysctl user.max_net_namespaces=15000"}
	case value("user/max_user_namespaces") == "0" || errors.Is(e.Err, unix.ENOSPC):
		return []string{"sudo sysctl user.max_user_namespaces=15000"}
	case value("kernel/apparmor_restrict_unprivileged_userns") == "1":
		return []string{"AppArmor wants a profile for programs that make user namespaces: sudo make install lays it down, or",
			"sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"}
	}
	return []string{"inside a container or another chroot the outer one must allow user namespaces: try unshare -U true on the host"}
}

// noChoiceHints says what may be meant where no chroot is known.
func noChoiceHints(o *options) []string {
	g := &guesses{}
	if len(o.argv) > 0 {
		g = &guesses{word: o.argv[0], rest: o.argv[1:], flags: o.typed[:len(o.typed)-len(o.argv)]}
		for _, row := range []guess{ofDirectory, ofVerb} {
			if s := row(g); s != "" {
				return []string{s}
			}
		}
	}
	hints := []string{"name its directory: -c DIR"}
	for _, dir := range found(func(pattern string) []string { list, _ := filepath.Glob(pattern); return list }) {
		hints = append(hints, g.line("chrunctl", []string{"add", path.Base(dir), dir}))
	}
	return hints
}

func programHints(o *options, e *launch.ExecError) []string {
	chrun := append(o.program(), o.typed[:len(o.typed)-len(o.argv)]...)
	if n := len(chrun); chrun[n-1] == "--" {
		chrun = chrun[:n-1]
	}
	line := func(words ...string) string { return session.Quote(append(slices.Clone(chrun), words...)...) }
	if len(o.argv) == 0 {
		return []string{"that is the account's shell; name a program: " + line("/bin/sh")}
	}
	if o.guess != nil && (e.Reason == launch.ReasonNotFound || e.Reason == launch.ReasonIsDirectory) {
		if s := o.guess(); s != "" {
			return []string{s}
		}
	}
	switch e.Reason {
	case launch.ReasonNotFound:
		return []string{"look for it inside: " + line("sh", "-c", "command -v "+session.Quote(o.argv[0]))}
	case launch.ReasonNoexec:
		return []string{"the chroot is on a file system mounted noexec: sudo mount -o remount,exec \"$(findmnt -no TARGET -T " + session.Quote(string(e.Tree)) + ")\""}
	case launch.ReasonWrongMachine:
		return []string{"it takes an emulator on the host, Debian's qemu-user-binfmt, or a chroot for this machine: uname -m"}
	case launch.ReasonNoInterpreter:
		return []string{"install that interpreter in the chroot, as root: sudo " + session.Quote(append(slices.Clone(chrun), "-u", "root")...)}
	case launch.ReasonNotExecutable:
		return []string{"is it executable? " + line("ls", "-l", string(e.Path))}
	}
	return nil
}
