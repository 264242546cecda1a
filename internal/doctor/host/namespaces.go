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
	switch {
	case suggest.InChroot():
		return []report.Check{report.Bad("host", report.Found, "in-chroot", "the doctor runs in a chroot, in which the kernel allows no other")}
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.E2BIG):
		fault = "no-clone3"
	case fault == "":
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
	owner, needed := in.subIDOwner()
	failed := func(fault, text string, values ...string) []report.Check {
		if !needed { // chrunctl create says so where it matters
			return []report.Check{report.Absent("host", report.Answers, text)}
		}
		return []report.Check{report.Bad("host", report.Answers, fault, text, values...)}
	}
	command := account.SubIDCommand(session.Quote(c.Account.Name), owner, c.Host)
	m, err := trees.NewMap(c, uids, gids)
	if err != nil {
		return failed("no-subids", "you have no subordinate IDs in /etc/subuid and /etc/subgid", "command", command)
	}
	if needed && owner != 0 && !account.InRanges(uids, owner) {
		return failed("no-subids", fmt.Sprintf("the chroot belongs to %d, which is not among your subordinate IDs", owner), "command", command)
	}
	for _, name := range []string{"newuidmap", "newgidmap"} {
		file := launch.FindMapper(name)
		if file == "" {
			return failed("no-newuidmap", name+" is missing on the host")
		}
		if !isPrivileged(file) {
			return failed("mapper-mode", file+" cannot become root: it is not setuid", "program", session.Quote(file))
		}
	}
	if err := tryMap(ctx, m); err != nil {
		return failed("mapper-refused", err.Error(), "command", command)
	}
	return []report.Check{report.Good("host", report.Answers, "user namespaces, overlays and subordinate IDs work")}
}

// subIDOwner returns the owner of a tree that belongs to subordinate IDs of the caller's
// or of nobody, else 0. needed reports whether this launch needs such IDs.
func (in *Input) subIDOwner() (owner int, needed bool) {
	const firstSubID = 100000 // useradd's SUB_UID_MIN
	requested := in.Identity == string(session.Subid) || in.Plan != nil && in.Plan.Identity.Kind == session.Subid
	var st unix.Stat_t
	if in.tree() == "" || unix.Stat(string(in.tree()), &st) != nil || st.Uid < firstSubID || int(st.Uid) == in.Caller.UID {
		return 0, requested
	}
	if _, held := account.HolderOfUID(int(st.Uid), in.Caller.Account, in.Caller.Host); held {
		return 0, requested
	}
	return int(st.Uid), true
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
