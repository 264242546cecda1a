// Guest is the first process of the machine that scripts/kernels/run.sh boots.
// It sets up a small host from the initramfs, checks chrun's command line, runs
// the tests of package launch, of large account files and of hostile trees, and
// powers off.
//
// Under the name "go" the same binary replaces the go command with which those
// tests build their probe.
package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	var err error
	switch filepath.Base(os.Args[0]) {
	case "init":
		err = boot()
		fmt.Println("FAIL cannot boot:", err)
		powerOff()
	case "go": // go build … -o PROBE ./testdata/probe
		err = copyFile("/test/probe", os.Args[slices.Index(os.Args, "-o")+1], 0o755)
	case "checks":
		if err = makeHost(); err == nil {
			err = runChecks()
		}
	}
	if err != nil {
		fmt.Println("FAIL", err)
		os.Exit(1)
	}
}

// boot makes the directory /host the root, because pivot_root(2) does not work in
// the initramfs itself. It runs the checks and powers off.
func boot() error {
	const root = "/root"
	steps := []func() error{
		func() error { return os.MkdirAll(root, 0o755) },
		func() error { return unix.Mount("tmpfs", root, "tmpfs", 0, "mode=0755") },
		func() error { return os.CopyFS(root, os.DirFS("/host")) },
		func() error { return os.RemoveAll("/host") },
		func() error { return copyFile("/init", root+"/bin/checks", 0o755) },
		func() error { return os.Link(root+"/bin/checks", root+"/bin/go") },
		func() error { return os.Chdir(root) },
		func() error { return unix.Mount(".", "/", "", unix.MS_MOVE, "") },
		func() error { return unix.Chroot(".") },
		func() error { return os.Chdir("/") },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	cmd := exec.Command("/bin/checks")
	cmd.Env = []string{"PATH=/bin", "HOME=/root"}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	var status unix.WaitStatus
	for pid := 0; pid != cmd.Process.Pid; { // the first process also inherits orphans
		pid, _ = unix.Wait4(-1, &status, 0, nil)
	}
	if status == 0 {
		fmt.Println("guest: all passed")
	} else {
		fmt.Println("guest: failed")
	}
	powerOff()
	return nil
}

func powerOff() {
	unix.Sync()
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func copyFile(from, to string, mode fs.FileMode) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, mode)
}

// The plain user.
const (
	uid     = 1500
	home    = "/home/tester"
	runtime = "/run/user/1500"
	tree    = "/srv/tree" // the chroot: it has neither /home nor /run
)

// makeHost sets up an ordinary host: file systems, an account, a chroot.
func makeHost() error {
	unix.Umask(0o022)
	for _, step := range []func() error{makeDirectories, mountFileSystems, writeFiles, makeHomes, installShell, setLimits, loadOverlay} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func makeDirectories() error {
	for _, dir := range []string{"/proc", "/sys", "/dev", "/run", "/tmp", "/etc", "/usr", "/lib", "/root", "/srv/data", home,
		tree + "/dev", tree + "/proc", tree + "/sys", tree + "/tmp", tree + "/usr", tree + "/etc"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func mountFileSystems() error {
	for _, m := range [][3]string{{"proc", "/proc", ""}, {"sysfs", "/sys", ""}, {"devtmpfs", "/dev", ""}, {"devpts", "/dev/pts", "ptmxmode=666"},
		{"tmpfs", "/dev/shm", "mode=1777"}, {"tmpfs", "/run", "mode=755"}, {"tmpfs", "/tmp", "mode=1777"}} {
		os.MkdirAll(m[1], 0o755)
		if err := unix.Mount(m[0], m[1], m[0], 0, m[2]); err != nil {
			return fmt.Errorf("mount %s: %w", m[1], err)
		}
	}
	return nil
}

func writeFiles() error {
	const accounts = "root:x:0:0::/root:/bin/sh\n"
	for name, text := range map[string]string{
		"/etc/passwd":               accounts + fmt.Sprintf("tester:x:%d:%d::%s:/bin/sh\n", uid, uid, home),
		"/etc/group":                "root:x:0:\ntester:x:1500:\n",
		"/etc/resolv.conf":          "nameserver 192.0.2.1\n",
		"/srv/data/file":            "shared\n",
		tree + "/etc/passwd":        accounts,
		tree + "/etc/group":         "root:x:0:\n",
		tree + "/etc/resolv.conf":   "",
		tree + "/etc/hostname":      "tree\n",
		tree + "/usr/data":          "no program\n",
		"/proc/sys/kernel/hostname": "guest",
		"/proc/sys/kernel/printk":   "1",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func makeHomes() error {
	if err := os.MkdirAll(runtime, 0o700); err != nil {
		return err
	}
	for _, p := range []string{home, runtime, "/srv/data"} {
		if err := os.Chown(p, uid, uid); err != nil {
			return err
		}
	}
	return nil
}

func installShell() error {
	for _, root := range []string{"", tree} {
		if out, err := exec.Command("/bin/busybox", "--install", "-s", root+"/bin").CombinedOutput(); err != nil {
			return fmt.Errorf("busybox: %w: %s", err, out)
		}
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, out)
	}
	return nil
}

// setLimits raises the limit of open files as distributions do; the kernel's
// default of 4096 is too low.
func setLimits() error {
	return os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1024, Max: 524288}))
}

func loadOverlay() error {
	module, err := os.Open("/overlay.ko")
	if err != nil {
		return err
	}
	defer module.Close()
	return os.NewSyscallError("finit_module overlay", unix.FinitModule(int(module.Fd()), "", 0))
}

// kernelRelease returns the kernel's release, such as "6.1.0-56-amd64", and its
// version.
func kernelRelease() (text string, major, minor int) {
	var u unix.Utsname
	unix.Uname(&u)
	text = unix.ByteSliceToString(u.Release[:])
	fmt.Sscanf(strings.Replace(text, ".", " ", 2), "%d %d", &major, &minor)
	return text, major, minor
}
