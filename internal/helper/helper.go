// Package helper runs the processes beside a launch: the relay of buses and the
// server that opens links (as the desktop user), those that revoke grants and
// remove mount points (as root), and small ones that end at once, such as a request of an X server. A helper process is this very
// program under another name, with only the descriptors that it is given. The
// lasting ones end with the launch's mount namespace, so after its last process.
package helper

import (
	"errors"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"chrun/desktop"
	"chrun/display/x11"
	"chrun/display/x11/xhost"
	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/launch"
	begin "chrun/session/start"
)

// Name is argv[0] of a helper process, by whose beginning session/start knows it.
const Name = "chrun-helper"

// firstFile is the first of a helper's descriptors that Start hands over.
const firstFile = 3

// Start starts a helper process with env: as cred if that is not nil, with files
// as its descriptors from 3 on. The caller may wait for it.
func Start(files []int, cred *syscall.Credential, env []string, words ...string) (pid int, err error) {
	return start(files, &syscall.SysProcAttr{Setsid: true, Credential: cred}, env, words...)
}

func start(files []int, sys *syscall.SysProcAttr, env []string, words ...string) (pid int, err error) {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(null)
	attr := &syscall.ProcAttr{Dir: "/", Env: env, Files: []uintptr{uintptr(null), uintptr(null), uintptr(null)}, Sys: sys}
	for _, fd := range files {
		attr.Files = append(attr.Files, uintptr(fd))
	}
	begin.LockOSThread()
	defer runtime.UnlockOSThread()
	return syscall.ForkExec("/proc/self/exe", append([]string{Name}, words...), attr)
}

// Main is the main function of a helper process. It returns the exit status.
func Main(words []string, env session.Environ) int {
	switch {
	case len(words) == 1 && words[0] == "probe":
		if launch.Probe() != nil {
			return 1
		}
		return 0
	case len(words) == 1 && words[0] == "xhost":
		return xhost.Serve(firstFile)
	case len(words) == 3 && words[0] == "notify":
		if notify(env, words[1], words[2], 20*time.Second) != nil {
			return 1
		}
		return 0
	case len(words) > 3 && words[0] == "relay":
		return serveRelays(words[1:], env)
	case len(words) > 2 && words[0] == "revoke":
		return revokeGrants(words[1:])
	case len(words) > 3 && words[0] == "tidy":
		return tidy(words[1:])
	}
	return 125
}

// Probe tries, as uid, whether user namespaces can be made.
func Probe(uid, gid int, groups []int) error {
	pid, err := Start(nil, credential(uid, gid, groups), nil, "probe")
	if err != nil {
		return err
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, 0, nil); err != nil || status.ExitStatus() != 0 {
		return errors.New("user namespaces cannot be made")
	}
	return nil
}

func credential(uid, gid int, groups []int) *syscall.Credential {
	c := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	for _, g := range groups {
		c.Groups = append(c.Groups, uint32(g))
	}
	return c
}

// noGroup is the group of the helper processes that StartXhost starts. Their user
// is not in it, and can therefore not trace them with ptrace(2).
const noGroup = 65534

// StartXhost starts a helper process that makes a request of an X server. It is
// an xhost.StartFunc.
func StartXhost(uid, socket int) (pid int, err error) {
	// Whoever sweeps after us must not be overtaken by a change of ours.
	sys := &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}
	if uid != unix.Geteuid() {
		sys.Credential = credential(uid, noGroup, nil)
	}
	return start([]int{socket}, sys, xhost.Env, "xhost")
}

// AskDisplay returns a function that asks an X server, as uid, whether it accepts a
// cookie. An error means that there was no answer.
func AskDisplay(uid int) func(display string, cookie []byte, limit time.Duration) (bool, error) {
	return func(display string, cookie []byte, limit time.Duration) (bool, error) {
		d, err := x11.ParseDisplay(display, session.IsSocket)
		if err != nil {
			return false, err
		}
		c := &xhost.Client{Display: d, Cookie: cookie, UID: uid, Limit: limit, Start: StartXhost}
		return c.Opens()
	}
}

// answerTime is how long the desktop may take to answer.
const answerTime = 2 * time.Second

// Notify shows a text on the caller's desktop. With app, the ID of a menu entry,
// a helper process does it and stays while the notification is shown.
func Notify(env session.Environ, app, text string) {
	if app == "" {
		notify(env, "", text, 0)
		return
	}
	Start(nil, nil, env, "notify", app, text)
}

func notify(env session.Environ, app, text string, shown time.Duration) error {
	title := app
	if title == "" {
		title = "chrun"
	}
	return desktop.Notify(cli.NewCaller(unix.Getuid(), unix.Getgid(), env), app, title, text, answerTime, shown)
}
