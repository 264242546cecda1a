package elevate

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/launch"
	"chrun/session/rootfs"
)

// desktopUser finds who called root: sudo(8) and run0 set SUDO_UID, doas(1) and
// pkexec(1) their own variables; else the user who logged in (pam_loginuid(8));
// else the owner of the terminal, which su(1) leaves unchanged. ok is false if
// there is none.
//
// A variable that names no account is an error: going on to the next source, and
// in the end to root, would run the program with more rights than intended.
func desktopUser(env session.Environ, args []string) (u account.Account, ok bool, err error) {
	for _, name := range []string{"SUDO_UID", "DOAS_USER", "PKEXEC_UID"} {
		value := env.Get(name)
		if value == "" || value == "0" || value == "root" {
			continue
		}
		u, ok := account.LookUpHostUser(value, "/")
		if !ok {
			words := append([]string{"env", "-u", name, "chrun"}, args[1:]...)
			return u, false, cli.WithHint(fmt.Errorf("cannot find the user who called root: %s=%q names no account", name, value),
				"as root without a desktop: "+session.Quote(words...))
		}
		if u.UID != 0 {
			return u, true, nil
		}
	}
	login, _ := rootfs.ReadHost("/proc/self/loginuid", 32, 0)
	for _, uid := range []string{strings.TrimSpace(string(login)), terminalOwner(0, 1, 2)} {
		if uid == "" || uid == "0" || uid == noLogin {
			continue
		}
		if u, ok := account.LookUpHostUser(uid, "/"); ok && u.UID != 0 {
			return u, true, nil
		}
	}
	return u, false, nil
}

// noLogin is the login uid of a process that no login has started.
const noLogin = "4294967295"

// terminalOwner is the uid that owns the first terminal among the descriptors,
// or else the controlling terminal.
func terminalOwner(fds ...int) string {
	var st unix.Stat_t
	for _, fd := range fds {
		if cli.IsTerminal(fd) && unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR {
			return strconv.Itoa(int(st.Uid))
		}
	}
	return controllingOwner()
}

// controllingOwner is the uid that owns the controlling terminal, "" if there is
// none. /dev/tty itself belongs to root, so its device number is looked up.
func controllingOwner() string {
	var st unix.Stat_t
	fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	device, err := unix.IoctlGetUint32(fd, unix.TIOCGDEV)
	major, minor := device>>8&0xfff, device&0xff|device>>12&0xfff00 // the old form, 12 bits and 20
	if err != nil || major < 136 || major > 143 {
		return "" // not a pseudoterminal (Linux, Documentation/admin-guide/devices.txt)
	}
	if unix.Stat("/dev/pts/"+strconv.Itoa(int(minor+(major-136)<<8)), &st) != nil {
		return ""
	}
	return strconv.Itoa(int(st.Uid))
}

// passedVariables come from root's environment into the user's launch: they say
// which desktop and language it is. All others are root's.
var passedVariables = []string{"TERM", "COLORTERM", "NO_COLOR", "LANG", "LANGUAGE", "TZ", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "SSH_CONNECTION",
	"XDG_CURRENT_DESKTOP", "XDG_SESSION_TYPE", "XDG_SESSION_DESKTOP", "DESKTOP_SESSION", "CHRUN_CHROOT",
	"DBUS_SESSION_BUS_ADDRESS", "PULSE_SERVER", "PIPEWIRE_REMOTE", "SSH_AUTH_SOCK",
	"XDG_ACTIVATION_TOKEN", "DESKTOP_STARTUP_ID"}

// userEnviron is the environment of a login of u, with what root's says of the
// desktop.
func userEnviron(u account.Account, env session.Environ) session.Environ {
	shell := u.Shell
	if shell == "" {
		shell = "/bin/sh"
	}
	out := session.Environ{"HOME=" + u.Home, "USER=" + u.Name, "LOGNAME=" + u.Name, "SHELL=" + shell,
		"PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		isNone := value == "" && name != "DISPLAY" && name != "WAYLAND_DISPLAY" // there, empty means none
		if slices.Contains(passedVariables, name) && !isNone || strings.HasPrefix(name, "LC_") {
			out = append(out, kv)
		}
	}
	if dir := session.FindRuntimeDir(env, u.UID); dir != "" {
		out = append(out, "XDG_RUNTIME_DIR="+string(dir))
	}
	return out
}

// hostGroups are the groups of u by the host's record, never by the chroot's.
func hostGroups(u account.Account) []int {
	groups := []int{}
	for _, program := range []string{"/usr/bin/id", "/bin/id"} {
		cmd := exec.Command(program, "-G", "--", u.Name)
		cmd.Env, cmd.Dir = []string{"PATH=/usr/bin:/bin"}, "/"
		out, err := cmd.Output()
		if err != nil {
			continue
		}
		for _, s := range strings.Fields(string(out)) {
			if gid, err := strconv.Atoi(s); err == nil {
				groups = append(groups, gid)
			}
		}
		return groups
	}
	return append(groups, u.GID)
}

// treeVariable names the descriptor of an idmapped tree that root hands over to
// the user's launch, or -1. It also says that root has started that launch.
const treeVariable = "_CHRUN_TREE"

// TakeTree removes the descriptor that root has handed over from the
// environment. fd is -1 if there is none. throughRoot reports whether root has
// started this process.
func TakeTree(env session.Environ) (rest session.Environ, fd int, throughRoot bool) {
	value, ok := env.Lookup(treeVariable)
	if !ok {
		return env, -1, false
	}
	fd, err := strconv.Atoi(value)
	if err != nil || fd < 3 {
		fd = -1
	} else if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		given := fd // the program must not inherit it
		if fd, err = unix.FcntlInt(uintptr(given), unix.F_DUPFD_CLOEXEC, 3); err != nil {
			fd = -1
		}
		unix.Close(given)
	}
	return slices.DeleteFunc(env, func(kv string) bool { return strings.HasPrefix(kv, treeVariable+"=") }), fd, true
}

// Become turns this process into the user's launch, by executing chrun again
// with the command line args. It returns only if that failed. Only the first
// three descriptors and an idmapped tree stay open, after HideDescriptors. As all that follows has the
// user's rights and root's terminal, it cannot type into that.
func (d *Decision) Become(args []string) error {
	env, err := d.handOver()
	if err != nil {
		return err
	}
	u := d.user
	runtime.LockOSThread() // the thread that executes
	defer runtime.UnlockOSThread()
	if err := launch.RefuseTyping(); err != nil {
		return cli.WithHint(fmt.Errorf("cannot keep %s's programs from typing into root's terminal: %w", u.Name, err),
			fmt.Sprintf("as %s: %s", u.Name, session.Quote(append([]string{"chrun"}, args[1:]...)...)))
	}
	fail := func(call string, err error) error { return fmt.Errorf("cannot become %s: %s: %w", u.Name, call, err) }
	// "sudo -i" and pkexec(1) change to root's home; the person did not.
	if cli.WorkingDir() == "/root" && os.Chdir(u.Home) != nil {
		os.Chdir("/")
	}
	if err := syscall.Setgroups(d.groups); err != nil {
		return fail("setgroups", err)
	}
	if err := syscall.Setresgid(u.GID, u.GID, u.GID); err != nil {
		return fail("setresgid", err)
	}
	if err := syscall.Setresuid(u.UID, u.UID, u.UID); err != nil {
		return fail("setresuid", err)
	}
	return fail("execve", syscall.Exec("/proc/self/exe", args, env))
}

// handOver lets only the idmapped tree, if there is one, pass to the user's
// launch, and returns the environment of that.
func (d *Decision) handOver() (session.Environ, error) {
	if d.tree >= 0 {
		if _, err := unix.FcntlInt(uintptr(d.tree), unix.F_SETFD, 0); err != nil {
			return nil, fmt.Errorf("cannot hand over the idmapped tree: %w", os.NewSyscallError("fcntl", err))
		}
	}
	return append(d.env, treeVariable+"="+strconv.Itoa(d.tree)), nil
}
