package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/desktop"
	"chrun/internal/cli"
	"chrun/internal/doctor/report"
	"chrun/session"
	"chrun/session/rootfs"
)

// checkMounts looks for mounts whose later mounts do not appear in running programs.
func checkMounts(_ context.Context, in *Input) (checks []report.Check) {
	table, err := rootfs.ReadHost(in.Caller.Host.Join("/proc/self/mountinfo"), 0, 0)
	if err != nil || in.Plan != nil && slices.ContainsFunc(in.Plan.Features, func(f session.FeatureState) bool { return f.Feature == "storage" && f.Denied }) {
		return nil
	}
	var private []string
	for _, dir := range []string{"/run/media", "/media"} {
		if _, err := os.Lstat(dir); err != nil {
			continue
		}
		if at := desktop.PrivateMount(string(table), dir); at != "" && !slices.Contains(private, at) {
			private = append(private, at)
			checks = append(checks, report.Notice("host", report.Found, "mounts-private", "media plugged in later do not appear in running programs ("+at+" is private)", "mount", session.Quote(at)))
		}
	}
	return checks
}

// checkTree looks whether the caller may enter the chroot, and whether programs on its
// file system can run.
func checkTree(_ context.Context, in *Input) []report.Check {
	tree := string(in.tree())
	if tree == "" {
		return nil
	}
	if closed, above := findClosed(tree); closed != "" {
		mode, why := "a+rx", "you may not enter the chroot "+closed
		if above {
			mode, why = "a+x", "you may not go through "+closed
		}
		return []report.Check{report.Bad("launch", report.Found, "tree-closed", why, "mode", mode, "directory", session.Quote(closed))}
	}
	table, _ := rootfs.ReadHost(in.Caller.Host.Join("/proc/self/mountinfo"), 0, 0)
	if mountPoint(string(table), tree) != tree && listed(in.Caller.Host, tree) {
		return []report.Check{report.Bad("launch", report.Found, "not-mounted", "the file system of "+tree+" is not mounted", "mount", session.Quote(tree))}
	}
	if st, err := os.Lstat(tree + "/usr"); err == nil && st.IsDir() {
		tree += "/usr" // the programs are there, perhaps on a file system of its own
	}
	var mount unix.Statfs_t
	if unix.Statfs(tree, &mount) != nil || mount.Flags&unix.ST_NOEXEC == 0 {
		return nil
	}
	if real, err := filepath.EvalSymlinks(tree); err == nil {
		tree = real
	}
	at := mountPoint(string(table), tree)
	return []report.Check{report.Bad("launch", report.Found, "noexec", at+" is mounted noexec: no program of the chroot can run", "mount", session.Quote(at))}
}

// findClosed returns the first directory on the way to a tree that the caller may not
// enter, "" if there is none. above reports that it is not the tree itself.
func findClosed(tree string) (dir string, above bool) {
	for i := 1; i <= len(tree); i++ {
		if i < len(tree) && tree[i] != '/' {
			continue
		}
		dir, above = tree[:i], i < len(tree)
		mode := uint32(unix.X_OK)
		if !above {
			mode |= unix.R_OK
		}
		if unix.Access(dir, mode) == unix.EACCES {
			return dir, above
		}
	}
	return "", false
}

// listed reports whether fstab(5) has a file system for a directory.
func listed(host rootfs.HostPath, dir string) bool {
	data, _ := rootfs.ReadHost(host.Join("/etc/fstab"), 0, 0)
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 1 && !strings.HasPrefix(f[0], "#") && unescape.Replace(f[1]) == dir {
			return true
		}
	}
	return false
}

// mountPoint returns where the file system of an absolute path is mounted.
func mountPoint(table, p string) (at string) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		point := unescape.Replace(f[4])
		if len(point) >= len(at) && (point == "/" || p == point || strings.HasPrefix(p, point+"/")) {
			at = point
		}
	}
	return at
}

// unescape undoes what the kernel escapes in /proc/self/mountinfo.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// checkClock compares the clock with what it cannot be before.
func checkClock(_ context.Context, in *Input) []report.Check {
	now := time.Now()
	var newest time.Time
	for _, file := range []string{"/etc/passwd", "/etc/ld.so.cache", "/var/lib/dpkg/status"} {
		if st, err := os.Lstat(string(in.tree()) + file); in.tree() != "" && err == nil && st.ModTime().After(newest) {
			newest = st.ModTime()
		}
	}
	return judgeClock(now, newest)
}

// judgeClock says whether the clock can be right if a file was changed at newest.
func judgeClock(now, newest time.Time) []report.Check {
	const day = 24 * time.Hour
	switch {
	case now.Year() < 2024 || now.Year() > 2100:
		return []report.Check{report.Bad("host", report.Answers, "clock", "the clock says "+now.Format("2006-01-02"))}
	case newest.Sub(now) > day:
		return []report.Check{report.Notice("host", report.Answers, "clock", fmt.Sprintf("the clock says %s, but the chroot has a file of %s", now.Format("2006-01-02"), newest.Format("2006-01-02")))}
	}
	return nil
}

// checkPrograms asks every chrun on PATH for its version. Root runs none: PATH may be a
// user's.
func checkPrograms(ctx context.Context, in *Input) (checks []report.Check) {
	if in.Caller.UID == 0 {
		return nil
	}
	seen := []os.FileInfo{}
	if st, err := os.Stat(in.Chrun); err == nil {
		seen = append(seen, st)
	}
	for _, dir := range filepath.SplitList(in.Caller.Env.Get("PATH")) {
		file := filepath.Join(dir, "chrun")
		st, err := os.Stat(file)
		if !filepath.IsAbs(dir) || err != nil || !st.Mode().IsRegular() || unix.Access(file, unix.X_OK) != nil || len(seen) > 4 ||
			slices.ContainsFunc(seen, func(o os.FileInfo) bool { return os.SameFile(o, st) }) {
			continue
		}
		seen = append(seen, st)
		if version, err := askVersion(ctx, file); err != nil || version != cli.Version() {
			text := fmt.Sprintf("%s is chrun %s, this is %s", file, version, cli.Version())
			if err != nil {
				text = fmt.Sprintf("%s does not say its version: %v", file, err)
			}
			checks = append(checks, report.Notice("host", report.Found, "other-chrun", text, "new", session.Quote(in.Chrun), "old", session.Quote(file)))
		}
	}
	return checks
}

// askVersion runs a program with --version. It does not wait long.
func askVersion(ctx context.Context, file string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	cmd := exec.CommandContext(ctx, file, "--version")
	cmd.WaitDelay = 100 * time.Millisecond
	out, err := cmd.Output()
	if ctx.Err() != nil {
		err = errors.New("no answer")
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	version, ok := strings.CutPrefix(string(line), "chrun ")
	if err == nil && !ok {
		err = errors.New("it is not chrun")
	}
	return version, err
}
