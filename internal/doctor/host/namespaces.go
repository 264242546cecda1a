package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"chrun/internal/doctor/report"
	"chrun/internal/helper"
	"chrun/internal/suggest"
	"chrun/internal/trees"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/launch"
	"chrun/session/rootfs"
)

// checkNamespaces makes a user namespace and mounts in it.
func checkNamespaces(_ context.Context, in *Input) []report.Check {
	err := launch.Probe()
	if in.Caller.UID == 0 && in.Plan != nil && in.Plan.CallerUID != 0 { // sudo
		err = helper.Probe(in.Plan.CallerUID, in.Plan.CallerGID, in.Plan.Groups)
	}
	if err == nil {
		return []report.Check{report.Good("host", report.Answers, "user namespaces work")}
	}
	fault := suggest.NamespaceSwitch(err)
	if fault == "" {
		fault = "userns-refused"
	}
	if in.Plan != nil && !in.Plan.Identity.HasUserNamespace() {
		return []report.Check{report.Notice("host", report.Answers, fault, err.Error()+"; this launch needs none")}
	}
	return []report.Check{report.Bad("host", report.Answers, fault, err.Error())}
}

// checkOverlay makes an overlay over the tree's /etc in a user namespace. Launches go
// on without it.
func checkOverlay(_ context.Context, in *Input) []report.Check {
	tree := string(in.tree())
	if tree == "" || strings.ContainsAny(tree, `:,\`) || launch.Probe() != nil {
		return nil
	}
	if err := launch.ProbeOverlay(tree+"/etc", tree+"/usr"); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return []report.Check{report.Absent("host", report.Answers, fmt.Sprintf("no overlay over the chroot's /etc: %v", err))}
	}
	return []report.Check{report.Good("host", report.Answers, "user namespaces and overlays work")}
}

// checkIdmap makes an idmapped mount of the tree, which only root can.
func checkIdmap(_ context.Context, in *Input) []report.Check {
	if unix.Geteuid() != 0 || in.tree() == "" {
		return nil
	}
	root, err := rootfs.Open(in.tree())
	if err != nil {
		return nil
	}
	defer root.Close()
	const some, other = 60000, 60001
	fd, err := launch.CloneIdmapped(root, account.MapSwap(some, other), account.MapSwap(some, other))
	if err != nil {
		if in.Plan != nil && in.Plan.Identity.Kind == session.Idmap {
			return []report.Check{report.Bad("host", report.Answers, "idmap-refused", "idmapped mounts: "+err.Error())}
		}
		return []report.Check{report.Absent("host", report.Answers, "no idmapped mounts of the chroot: "+err.Error())}
	}
	unix.Close(fd)
	return nil
}

// checkMapper makes a user namespace with the caller's subordinate IDs.
func checkMapper(ctx context.Context, in *Input) []report.Check {
	c := in.Caller
	if c.UID == 0 {
		return nil
	}
	uids, gids := account.ReadHostSubIDs(c.Host, "/etc/subuid", c.Account), account.ReadHostSubIDs(c.Host, "/etc/subgid", c.Account)
	found := func(fault, text string, values ...string) []report.Check {
		check := report.Bad("host", report.Answers, fault, text, values...)
		switch {
		case in.needsSubIDs():
		case fault == "mapper-refused" || fault == "mapper-mode":
			check.Status = report.Note
		default:
			check = report.Absent("host", report.Answers, text)
		}
		return []report.Check{check}
	}
	m, err := trees.NewMap(c, uids, gids)
	if err != nil {
		return found("no-subids", "you have no subordinate IDs in /etc/subuid and /etc/subgid", "command", account.SubIDCommand(session.Quote(c.Account.Name), c.Host))
	}
	for _, name := range []string{"newuidmap", "newgidmap"} {
		file := launch.FindMapper(name)
		if file == "" {
			return found("no-newuidmap", name+" is missing on the host")
		}
		if !isPrivileged(file) {
			return found("mapper-mode", file+" cannot become root: it is not setuid", "program", file)
		}
	}
	if err := tryMap(ctx, m); err != nil {
		return found("mapper-refused", err.Error(), "command", account.SubIDCommand(session.Quote(c.Account.Name), c.Host))
	}
	return []report.Check{report.Good("host", report.Answers, "user namespaces, overlays and subordinate IDs work")}
}

// needsSubIDs reports whether the tree belongs to subordinate IDs, or whether they are
// asked for.
func (in *Input) needsSubIDs() bool {
	const firstSubID = 100000 // useradd's SUB_UID_MIN
	var st unix.Stat_t
	switch {
	case in.Plan != nil && in.Plan.Identity.Kind == session.Subid:
		return true
	case in.tree() == "" || unix.Stat(string(in.tree()), &st) != nil:
		return false
	}
	return st.Uid >= firstSubID && int(st.Uid) != in.Caller.UID
}

// isPrivileged reports whether a program has root's rights or file capabilities, on a
// file system where they count.
func isPrivileged(file string) bool {
	var st unix.Stat_t
	var mount unix.Statfs_t
	if unix.Stat(file, &st) != nil || unix.Statfs(file, &mount) != nil || mount.Flags&unix.ST_NOSUID != 0 {
		return false
	}
	n, _ := unix.Getxattr(file, "security.capability", nil)
	return st.Uid == 0 && st.Mode&unix.S_ISUID != 0 || n > 0
}

// tryMap gives a child that waits a map of IDs.
func tryMap(ctx context.Context, m trees.Map) error {
	cmd := exec.CommandContext(ctx, "cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, Pdeathsig: syscall.SIGKILL}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return nil // user namespaces have a check of their own
	}
	err = launch.MapIDs(cmd.Process.Pid, m.UIDs, m.GIDs)
	stdin.Close()
	_ = cmd.Wait()
	return err
}
