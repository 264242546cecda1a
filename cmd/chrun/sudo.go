package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"chrun/internal/grants"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/config"
	"chrun/session/launch"
	"chrun/session/rootfs"
)

// Root is not whose desktop it is: "sudo chrun firefox-bin" becomes the user
// first and makes that user's launch. Only where root has to mount does it stay
// root; then it reads everything with the user's rights, and only what root
// alone can have written decides what is mounted.

// desktopUser finds who called root: sudo(8) and run0 say it, doas(1), pkexec(1),
// else the login (pam_loginuid(8)), else the owner of the terminal, which su(1)
// leaves as it is.
//
// A variable that names nobody is an error: falling back to what comes next, at
// last to root, would run the program with more rights than were meant.
func desktopUser(o *options, env session.Environ) (a account.Account, ok bool, err error) {
	for _, name := range []string{"SUDO_UID", "DOAS_USER", "PKEXEC_UID"} {
		who := env.Get(name)
		if who == "" || who == "0" || who == "root" {
			continue
		}
		a, ok := account.HostUser(who, "/")
		if !ok {
			return a, false, &hintError{fmt.Errorf("cannot find the user who called root: %s=%q names no account", name, who),
				"as root without a desktop: " + session.Quote(append([]string{"env", "-u", name, "chrun"}, o.typed...)...)}
		}
		if a.UID != 0 {
			return a, true, nil
		}
	}
	login, _ := rootfs.ReadHost("/proc/self/loginuid", 32, 0)
	for _, who := range []string{strings.TrimSpace(string(login)), ttyOwner()} {
		if who == "" || who == "0" || who == "4294967295" {
			continue
		}
		if a, ok := account.HostUser(who, "/"); ok && a.UID != 0 {
			return a, true, nil
		}
	}
	return a, false, nil
}

// ttyOwner is the uid that owns the terminal, that of one of the first three
// descriptors or the controlling one: /dev/tty itself is everybody's.
func ttyOwner() string {
	var st unix.Stat_t
	for _, std := range []int{0, 1, 2} {
		if terminal(std) && unix.Fstat(std, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR {
			return strconv.Itoa(int(st.Uid))
		}
	}
	fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	device, err := unix.IoctlGetUint32(fd, unix.TIOCGDEV)
	major, minor := device>>8&0xfff, device&0xff|device>>12&0xfff00 // the old form, 12 bits and 20
	if err != nil || major < 136 || major > 143 {
		return "" // no pseudoterminal (devpts; Linux, Documentation/admin-guide/devices.txt)
	}
	if unix.Stat("/dev/pts/"+strconv.Itoa(int(minor+(major-136)<<8)), &st) != nil {
		return ""
	}
	return strconv.Itoa(int(st.Uid))
}

// passed are the variables that come from root's environment to the user's
// launch: what says which desktop and language it is. The rest is root's.
var passed = []string{"TERM", "COLORTERM", "NO_COLOR", "LANG", "LANGUAGE", "TZ", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY",
	"XDG_CURRENT_DESKTOP", "XDG_SESSION_TYPE", "XDG_SESSION_DESKTOP", "DESKTOP_SESSION", "CHRUN_CHROOT",
	"DBUS_SESSION_BUS_ADDRESS", "PULSE_SERVER", "PIPEWIRE_REMOTE", "SSH_AUTH_SOCK",
	"XDG_ACTIVATION_TOKEN", "DESKTOP_STARTUP_ID"}

// userEnviron is the environment of a login of the user's, with what root's says
// of the desktop.
func userEnviron(u account.Account, env session.Environ) session.Environ {
	shell := u.Shell
	if shell == "" {
		shell = "/bin/sh"
	}
	out := session.Environ{"HOME=" + u.Home, "USER=" + u.Name, "LOGNAME=" + u.Name, "SHELL=" + shell,
		"PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if slices.Contains(passed, name) && value != "" || strings.HasPrefix(name, "LC_") {
			out = append(out, kv)
		}
	}
	if dir := session.FindRuntimeDir(env, u.UID); dir != "" {
		out = append(out, "XDG_RUNTIME_DIR="+string(dir))
	}
	return out
}

// groupsOf are the groups of the host's record.
func groupsOf(u account.Account) []int {
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

// treeVariable names the descriptor of an idmapped tree that root has handed to
// the user's launch.
const treeVariable = "_CHRUN_TREE"

// asRoot is run for root. ok is false where nobody's desktop is concerned, and
// root enters as it is.
func asRoot(o *options, env session.Environ) (ok bool, err error) {
	u, ok, err := desktopUser(o, env)
	if !ok {
		return err != nil, err
	}
	groups := groupsOf(u)
	if o.list { // the user's own list
		return true, become(u, groups, -1, userEnviron(u, env))
	}
	conf, err := config.Load(source(&session.Caller{UID: 0, Account: account.Account{Home: "/root"}, Cwd: cwd()}))
	if err != nil {
		return true, err
	}
	ch, said, chosen := choose(o, conf, env)
	user, kind := o.user, session.Kind(o.identity)
	if chosen == nil {
		if user == "" {
			user = ch.User
		}
		if kind == "" {
			kind = session.Kind(ch.Identity)
		}
	}
	mounts := user == "root" || user == "0" || kind == session.Grant || kind == session.Idmap
	if (kind == "" || kind == "auto") && chosen == nil && subordinate(ch.Path, u) {
		mounts = false // root inside is the user's too: root's own files would spoil the tree
	}
	if !mounts {
		if probe(u, groups) == nil {
			return true, become(u, groups, -1, userEnviron(u, env))
		}
		if kind == "" || kind == "auto" || kind == session.Match {
			kind = session.Direct
		}
	}
	if chosen != nil {
		return true, rootChoice(o, chosen, u, env)
	}
	if kind == session.Idmap {
		return true, idmapped(o, u, groups, ch, env)
	}
	return true, rootMounts(o, u, groups, ch, said, conf, env, kind)
}

// subordinate says whether a tree belongs to the user's subordinate ids.
func subordinate(tree rootfs.HostPath, u account.Account) bool {
	var st unix.Stat_t
	if unix.Stat(string(tree), &st) != nil || st.Uid == 0 {
		return false
	}
	return account.Among(account.HostSubIDs("/", "/etc/subuid", u), int(st.Uid))
}

// probe asks, as the user, whether user namespaces can be had.
func probe(u account.Account, groups []int) error {
	pid, err := keeper(nil, &syscall.Credential{Uid: uint32(u.UID), Gid: uint32(u.GID), Groups: groups32(groups)}, nil, "probe")
	if err != nil {
		return err
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, 0, nil); err != nil || status.ExitStatus() != 0 {
		return errors.New("no user namespaces")
	}
	return nil
}

func groups32(groups []int) (list []uint32) {
	for _, g := range groups {
		list = append(list, uint32(g))
	}
	return list
}

// rootChoice says why a chroot that the user's files alone name is not one for
// root to mount. They are read with the user's rights, and only for the text.
func rootChoice(o *options, err error, u account.Account, env session.Environ) error {
	var ch *config.Chroot
	grants.As(u.UID, func() error {
		src := source(&session.Caller{UID: u.UID, Account: u, Cwd: cwd()})
		src.Warn = nil
		conf, err := config.Load(src)
		if err == nil {
			ch, err = conf.Select(o.chroot, env.Get("CHRUN_CHROOT"))
		}
		return err
	})
	if ch == nil || ch.Name == "" {
		return err
	}
	return &hintError{fmt.Errorf("cannot mount %q as root: only a file of %s's names it", ch.Name, u.Name),
		fmt.Sprintf("sudo chrunctl add %s %s, or name the directory: -c %[2]s", ch.Name, session.Quote(string(ch.Path)))}
}

// closeAll is the last descriptor there can be.
const closeAll = 1<<31 - 1

// become turns this process into the user's launch. It returns only if that
// failed. Descriptors but the first three, and tree, stay behind.
func become(u account.Account, groups []int, tree int, env session.Environ) error {
	fail := func(what string, err error) error { return fmt.Errorf("cannot become %s: %s: %w", u.Name, what, err) }
	if err := unix.CloseRange(3, closeAll, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fail("close_range", err)
	}
	if tree >= 0 {
		if _, err := unix.FcntlInt(uintptr(tree), unix.F_SETFD, 0); err != nil {
			return fail("fcntl", err)
		}
		env = append(env, treeVariable+"="+strconv.Itoa(tree))
	}
	// Root's own home is where "sudo -i" and pkexec(1) have gone, not the person.
	if cwd() == "/root" && os.Chdir(u.Home) != nil {
		os.Chdir("/")
	}
	if err := syscall.Setgroups(groups); err != nil {
		return fail("setgroups", err)
	}
	if err := syscall.Setresgid(u.GID, u.GID, u.GID); err != nil {
		return fail("setresgid", err)
	}
	if err := syscall.Setresuid(u.UID, u.UID, u.UID); err != nil {
		return fail("setresuid", err)
	}
	return fail("execve", syscall.Exec("/proc/self/exe", os.Args, env))
}

// idmapped makes the user's launch of a tree in which the account's number and
// the user's are exchanged.
func idmapped(o *options, u account.Account, groups []int, ch *config.Chroot, env session.Environ) error {
	root, err := rootfs.Open(ch.Path)
	if err != nil {
		return &chrootError{ch.Path, err}
	}
	defer root.Close()
	want := o.user
	if want == "" {
		want = ch.User
	}
	passwd, err := root.Read("/etc/passwd")
	if err != nil {
		return &chrootError{ch.Path, err}
	}
	a, known, err := account.Choose(account.Table(passwd), want, u, func(string) bool { return true })
	if err != nil {
		return err
	}
	refuse := func(why string) error {
		return &hintError{&session.IdentityError{Kind: session.Idmap, Why: why}, "your uid, seen as the account's: " +
			session.Quote(slices.Concat([]string{"chrun", "-c", string(ch.Path), "--identity=remap", "-u", a.Name}, o.kept(true), o.argv)...)}
	}
	_, number := strconv.Atoi(want)
	name, taken := hostName(a.UID)
	switch {
	case a.UID == 0:
		return refuse("root's files stay root's")
	case !known || a.UID == u.UID:
		return refuse("the account has your number already; -u names another one of the chroot")
	case taken && a.UID != u.UID && number != nil:
		return refuse(fmt.Sprintf("the number %d is that of %s on the host, whose setuid programs you could make in the tree; if you mean that: -u %d", a.UID, name, a.UID))
	}
	if !o.quiet && exposed(string(root.Dir())) {
		fmt.Fprintf(os.Stderr, "chrun: others can reach %s: setuid files that a program makes there run as %d for them\nchrun: hint: keep it in a directory of root's that others cannot enter: mode 0700\n",
			root.Dir(), a.UID)
	}
	gids := account.Exchange(0, 0)
	if gid := session.SafeGID(a, hostGroup); gid >= 0 {
		gids = account.Exchange(gid, u.GID)
	}
	tree, err := launch.Idmapped(root.Dir(), account.Exchange(a.UID, u.UID), gids)
	if err != nil {
		return refuse(fmt.Sprintf("the kernel or the file system refuses it: %v", err))
	}
	env = userEnviron(u, env)
	return become(u, groups, tree, env)
}

// exposed says whether everybody can reach a directory, where setuid files count.
func exposed(dir string) bool {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) == nil && fs.Flags&unix.ST_NOSUID != 0 {
		return false
	}
	for ; ; dir = path.Dir(dir) {
		var st unix.Stat_t
		if unix.Stat(dir, &st) != nil || st.Mode&0o001 == 0 {
			return false
		}
		if dir == "/" {
			return true
		}
	}
}

func hostGroup(gid int) bool { return account.HostGroup(gid, "/") }

func hostName(uid int) (string, bool) {
	a, ok := account.HostUser(strconv.Itoa(uid), "/")
	return a.Name, ok
}

// rootMounts makes a launch that root mounts. Until it is decided what, this
// process has the user's rights (but for the way back, which no signal and no
// debugger of the user's can take: it is not dumpable).
func rootMounts(o *options, u account.Account, groups []int, ch *config.Chroot, said func(key, value string) string, conf *config.Config, env session.Environ, kind session.Kind) error {
	root, err := rootfs.Open(ch.Path)
	if err != nil {
		return located(&chrootError{ch.Path, err}, said("path", ""))
	}
	if err := errors.Join(syscall.Setgroups(groups), syscall.Setresgid(u.GID, u.GID, 0), syscall.Setresuid(u.UID, u.UID, 0)); err != nil {
		return fmt.Errorf("cannot take the rights of %s: %w", u.Name, err)
	}
	c := newCaller(userEnviron(u, env))
	c.Groups = groups
	l, err := prepare(o, c, ch, said, root, role{root: true, kind: kind, tree: -1})
	if err != nil {
		return err
	}
	if l.facts.Identity.Kind != session.AsRoot { // what root has open is not the program's
		if err := unix.CloseRange(3, closeAll, unix.CLOSE_RANGE_CLOEXEC); err != nil {
			return fmt.Errorf("cannot keep descriptors back: close_range: %w", err)
		}
	}
	return l.run(o, conf, func() error {
		err := errors.Join(syscall.Setresuid(0, 0, 0), syscall.Setresgid(0, 0, 0), syscall.Setgroups(nil))
		if err != nil {
			err = fmt.Errorf("cannot become root again: %w", err)
		}
		return err
	})
}
