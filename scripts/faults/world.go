package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
)

// world is the host of the launches: a desktop, two trees, and what is checked.
type world struct {
	*headless.Session
	bin     string
	display string
	caller  headless.User
	servers map[int]bool // processes of the desktop
}

const (
	base        = "/srv"
	programName = "report"
	systemTree  = base + "/system" // belongs to root
	ownTree     = base + "/own"    // belongs to subordinate ids
	firstSubID  = 300000
	account     = 60999 // a uid in the trees that nobody on the host has
)

// prepareHost covers the directories that launches change.
func prepareHost(o options) error {
	caller, err := headless.TestUser()
	if err != nil {
		return err
	}
	tmpfs := func(name, dir, options string) error {
		if err := unix.Mount(name, dir, "tmpfs", 0, options); err != nil {
			return fmt.Errorf("cannot mount on %s: %w", dir, err)
		}
		return nil
	}
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return err
	}
	for _, dir := range []string{"/run", "/tmp", base, caller.Home} {
		unmountBelow(dir)
	}
	programs := map[string][]byte{}
	for name, file := range map[string]string{"chrun": filepath.Join(bin, "chrun"), "chrunctl": filepath.Join(bin, "chrunctl"), programName: "/proc/self/exe"} {
		if programs[name], err = os.ReadFile(file); err != nil {
			return err
		}
	}
	if err := errors.Join(tmpfs("run", "/run", "mode=0755"), tmpfs("tmp", "/tmp", "mode=1777"), tmpfs("shm", "/dev/shm", "mode=1777"), tmpfs("faults", base, "mode=0755"), tmpfs("home", caller.Home, fmt.Sprintf("mode=0700,uid=%d,gid=%d", caller.UID, caller.GID)),
		os.MkdirAll("/run/lock", 0o755), os.MkdirAll(base+"/bin", 0o755), os.MkdirAll(base+"/etc/upper", 0o755), os.MkdirAll(base+"/etc/work", 0o755)); err != nil {
		return err
	}
	if err := unix.Mount("etc", "/etc", "overlay", 0, "lowerdir=/etc,upperdir="+base+"/etc/upper,workdir="+base+"/etc/work"); err != nil {
		return fmt.Errorf("cannot mount on /etc: %w", err)
	}
	for name, data := range programs {
		if err := os.WriteFile(filepath.Join(base, "bin", name), data, 0o755); err != nil {
			return err
		}
	}
	return errors.Join(writeConfiguration(caller), makeTree(systemTree, 0, caller), makeTree(ownTree, firstSubID, caller))
}

// makeOwnEntries gives the caller an application and settings, which an export must
// keep.
func (w *world) makeOwnEntries() error {
	for name, text := range map[string]string{
		".local/share/applications/own.desktop":    "[Desktop Entry]\nType=Application\nName=Own\nExec=true\nMimeType=text/x-own;text/x-one;\n",
		".local/share/applications/mimeinfo.cache": "[MIME Cache]\ntext/x-one=own.desktop;\ntext/x-own=own.desktop;\n",
		".config/mimeapps.list":                    "[Default Applications]\ntext/x-one=own.desktop\n",
	} {
		file := filepath.Join(w.caller.Home, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			return err
		}
	}
	return filepath.WalkDir(w.caller.Home, func(p string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(p, w.caller.UID, w.caller.GID))
	})
}

// unmountBelow detaches the mounts of others, which may end at any time.
func unmountBelow(dir string) {
	for _, line := range readLines("/proc/self/mountinfo") {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], dir+"/") {
			unix.Unmount(f[4], unix.MNT_DETACH)
		}
	}
}

func writeConfiguration(caller headless.User) error {
	os.RemoveAll("/etc/chrun")
	range1 := fmt.Sprintf("%s:%d:65536\n", caller.Name, firstSubID)
	return errors.Join(os.MkdirAll("/etc/chrun/chroots", 0o755),
		os.WriteFile("/etc/subuid", []byte(range1), 0o644), os.WriteFile("/etc/subgid", []byte(range1), 0o644),
		os.WriteFile("/etc/chrun/config.toml", []byte("default = \"system\"\n"), 0o644),
		os.WriteFile("/etc/chrun/chroots/system.toml", []byte("path = \""+systemTree+"\"\ndeny = [\"gpu\", \"storage\"]\nbind = [\"/usr/share:/opt/share:ro\"]\n[env]\nFAULTS = \"here\"\n"), 0o644),
		os.WriteFile("/etc/chrun/chroots/own.toml", []byte("path = \""+ownTree+"\"\nidentity = \"subid\"\nmap = \"1000\"\ndeny = [\"gpu\", \"storage\"]\n[env]\nFAULTS = \"here\"\n"), 0o644))
}

// makeTree makes a small system whose root has the uid owner.
func makeTree(tree string, owner int, caller headless.User) error {
	files := map[string]string{
		"etc/passwd":     fmt.Sprintf("root:x:0:0::/root:/bin/sh\ndev:x:1000:1000::/home/dev:/bin/sh\nstranger:x:%d:%[1]d::/home/stranger:/bin/sh\n", account),
		"etc/group":      fmt.Sprintf("root:x:0:\ndev:x:1000:\nstranger:x:%d:\n", account),
		"etc/os-release": "ID=faults\nNAME=Faults\n",
		"etc/machine-id": "0123456789abcdef0123456789abcdef\n",
		"etc/shadow":     "root:*:19000::::::\n",
		"root/file":      "", "var/log/file": "",
		"usr/share/applications/one.desktop":         "[Desktop Entry]\nType=Application\nName=One\nExec=report %F\nIcon=one\nMimeType=text/x-one;\n",
		"usr/share/applications/two.desktop":         "[Desktop Entry]\nType=Application\nName=Two\nExec=report\nIcon=two\nDBusActivatable=false\n",
		"usr/share/icons/hicolor/index.theme":        "[Icon Theme]\nName=Hicolor\nComment=x\nDirectories=48x48/apps\n[48x48/apps]\nSize=48\nContext=Applications\nType=Threshold\n",
		"usr/share/icons/hicolor/48x48/apps/one.svg": "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"48\" height=\"48\"/>\n",
		"usr/share/pixmaps/two.xpm":                  "/* XPM */\nstatic char *x[] = {\"1 1 1 1\", \"a c #000000\", \"a\"};\n",
	}
	program, err := os.ReadFile(base + "/bin/" + programName)
	if err != nil {
		return err
	}
	files["usr/bin/"+programName] = string(program)
	for name, text := range files {
		file := filepath.Join(tree, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			return err
		}
	}
	os.Chmod(filepath.Join(tree, "usr/bin", programName), 0o755)
	os.Chmod(filepath.Join(tree, "etc/shadow"), 0o600)
	for _, dir := range []string{"home/dev", "home/stranger", "proc", "sys", "dev", "run", "tmp", "opt", "mnt"} {
		if err := os.MkdirAll(filepath.Join(tree, dir), 0o755); err != nil {
			return err
		}
	}
	os.Chmod(filepath.Join(tree, "tmp"), 0o1777)
	if err := os.Symlink("usr/bin", filepath.Join(tree, "bin")); err != nil {
		return err
	}
	return filepath.WalkDir(tree, func(p string, _ fs.DirEntry, err error) error {
		uid := owner
		switch {
		case strings.HasSuffix(p, "/home/dev") && owner == 0:
			uid = 1000
		case strings.HasSuffix(p, "/home/dev"):
			uid = caller.UID
		case strings.HasSuffix(p, "/home/stranger"):
			uid = owner + account
		}
		return errors.Join(err, os.Lchown(p, uid, uid))
	})
}

// openWorld prepares the host and starts the desktop.
func openWorld(o options) (*world, error) {
	if err := prepareHost(o); err != nil {
		return nil, err
	}
	s, err := headless.Start(headless.Options{Compositor: "weston", Bus: true, Log: base + "/log"})
	if err != nil {
		return nil, err
	}
	w := &world{Session: s, bin: base + "/bin", caller: s.User, display: ":99"}
	// Without a cookie, so that a grant needs an entry in the list of hosts.
	cmd := s.Command(context.Background(), "Xvfb", w.display, "-noreset", "-nolisten", "tcp", "-screen", "0", "64x64x24")
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err := w.hosts(); err == nil {
			break
		} else if time.Now().After(end) {
			return nil, fmt.Errorf("the X server does not answer: %w", err)
		}
	}
	s.Env = append(s.Env, "DISPLAY="+w.display)
	if out, err := w.command(true, "chrunctl", "gc").CombinedOutput(); err != nil { // it makes the journal's directory
		return nil, fmt.Errorf("chrunctl gc: %w: %s", err, out)
	}
	w.servers = map[int]bool{}
	for _, pid := range listProcesses() {
		w.servers[pid] = true
	}
	return w, nil
}

// hosts is the X server's list.
func (w *world) hosts() (string, error) {
	cmd := w.Command(context.Background(), "xhost")
	cmd.Env = append(slices.Clone(w.Env), "DISPLAY="+w.display)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// treeState matches, in a record of exports, what depends on the times of files.
var treeState = regexp.MustCompile("(?m)^state\t.*$|\t[0-9]{15,}\t")

// state is everything that a launch must leave as it was, a fact a line.
func (w *world) state(grants bool) ([]string, error) {
	var lines []string
	for _, dir := range []string{"/run", "/tmp", base, w.caller.Home, "/etc/chrun", "/dev/shm"} {
		err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return nil // it has gone
			case p == savedHome || p == base+"/log" || p == base+"/etc" || p == base+"/bin":
				return filepath.SkipDir
			}
			var st unix.Stat_t
			if unix.Lstat(p, &st) != nil {
				return nil
			}
			line := fmt.Sprintf("file %s %o %d:%d", p, st.Mode, st.Uid, st.Gid)
			buf := make([]byte, 1024)
			for _, name := range []string{"system.posix_acl_access", "system.posix_acl_default"} {
				if n, err := unix.Lgetxattr(p, name, buf); err == nil {
					line += fmt.Sprintf(" %s=%x", name, buf[:n])
				}
			}
			switch st.Mode & unix.S_IFMT {
			case unix.S_IFLNK:
				target, _ := os.Readlink(p)
				line += " -> " + target
			case unix.S_IFREG:
				line += fmt.Sprint(" size ", st.Size)
				if st.Size < 4096 && !strings.HasPrefix(p, base) {
					data, _ := os.ReadFile(p)
					line += fmt.Sprintf(" %q", treeState.ReplaceAll(data, nil))
				}
			}
			lines = append(lines, line)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, line := range readLines("/proc/self/mountinfo") {
		lines = append(lines, "mount "+line)
	}
	if grants {
		hosts, err := w.hosts()
		if err != nil {
			return nil, err
		}
		lines = append(lines, "hosts "+hosts)
	}
	return lines, nil
}

// listProcesses returns the processes that are not zombies.
func listProcesses() (pids []int) {
	list, _ := os.ReadDir("/proc")
	for _, e := range list {
		pid := atoi(e.Name())
		if _, err := os.Readlink("/proc/" + e.Name() + "/exe"); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// processes returns the processes of launches.
func (w *world) processes() []int {
	return slices.DeleteFunc(listProcesses(), func(pid int) bool { return w.servers[pid] })
}

func (w *world) kill(pids []int) {
	for _, pid := range pids {
		unix.Kill(pid, unix.SIGKILL)
	}
}

// settle waits until no process of a launch is left. It kills those that are left
// then, and returns their command lines.
func (w *world) settle(limit time.Duration) (left []string) {
	var pids []int
	for end := time.Now().Add(limit); ; time.Sleep(2 * time.Millisecond) {
		if pids = w.processes(); len(pids) == 0 || time.Now().After(end) {
			break
		}
	}
	for _, pid := range pids {
		left = append(left, processName(pid))
	}
	w.kill(pids)
	return left
}

// command returns a command that runs as the caller, or as root.
func (w *world) command(root bool, words ...string) *exec.Cmd {
	cmd := w.Command(context.Background(), filepath.Join(w.bin, words[0]), words[1:]...)
	cmd.Dir = "/"
	if root {
		cmd.SysProcAttr.Credential = nil
	}
	return cmd
}
