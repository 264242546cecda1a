package bridge

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// HostPathName is argv[0] of the process that OpenAtHostPath starts. Its main
// function is ServeHostPath.
const HostPathName = "chrun-hostpath"

// socketFile is the descriptor of that process's socket.
const socketFile = 3

// OpenAtHostPath opens the file at inside in a mount namespace that has it at
// host, so that the kernel names the descriptor host: a portal asks the kernel.
// The namespace belongs to a process, this program under another name, that ends
// with release. It needs user namespaces.
func OpenAtHostPath(inside, host string) (fd int, release func(), err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, nil, os.NewSyscallError("socketpair", err)
	}
	uid, gid := os.Getuid(), os.Getgid()
	attr := &syscall.ProcAttr{Dir: "/", Env: []string{}, Files: []uintptr{0, 1, 2, uintptr(pair[1])}, Sys: &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}},
		AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN}, // without it, execve(2) drops the capability unless the uid is 0
		GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}},
	}}
	pid, err := syscall.ForkExec("/proc/self/exe", []string{HostPathName, inside, host}, attr)
	unix.Close(pair[1])
	if err != nil {
		unix.Close(pair[0])
		return -1, nil, &os.PathError{Op: "open for the host", Path: inside, Err: err}
	}
	end := func() {
		unix.Close(pair[0])
		var status syscall.WaitStatus
		syscall.Wait4(pid, &status, 0, nil)
	}
	b, oob := make([]byte, 512), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := unix.Recvmsg(pair[0], b, oob, unix.MSG_CMSG_CLOEXEC)
	fds := parseRights(oob[:max(oobn, 0)])
	if err != nil || len(fds) != 1 {
		end()
		return -1, nil, &os.PathError{Op: "open for the host", Path: inside, Err: errors.New(strings.TrimSpace(string(b[:max(n, 0)])))}
	}
	return fds[0], func() { unix.Close(fds[0]); end() }, nil
}

// ServeHostPath is the main function of that process. It returns the exit status.
func ServeHostPath(inside, host string) int {
	fd, err := openInNewRoot(inside, host)
	if err != nil {
		unix.Write(socketFile, []byte(err.Error()))
		return 1
	}
	if unix.Sendmsg(socketFile, []byte{0}, unix.UnixRights(fd), nil, 0) != nil {
		return 1
	}
	unix.Read(socketFile, make([]byte, 1)) // until the other end is closed
	return 0
}

// openInNewRoot makes a root directory with only this file, at host, and opens
// it there.
func openInNewRoot(inside, host string) (fd int, err error) {
	const root = "/run"
	file, err := unix.Open(inside, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	mountPoint := root + path.Clean("/"+host)
	steps := []func() error{
		func() error { return unix.Fstat(file, &st) },
		func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") },
		func() error { return unix.Mount("tmpfs", root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "") },
		func() error { return os.MkdirAll(path.Dir(mountPoint), 0o755) },
		func() error {
			if st.Mode&unix.S_IFMT == unix.S_IFDIR {
				return os.Mkdir(mountPoint, 0o755)
			}
			return os.WriteFile(mountPoint, nil, 0o600)
		},
		func() error {
			return unix.Mount(fmt.Sprint("/proc/self/fd/", file), mountPoint, "", unix.MS_BIND|unix.MS_REC, "")
		},
		func() error { return unix.Chdir(root) },
		func() error { return unix.PivotRoot(".", ".") },
		func() error { return unix.Unmount(".", unix.MNT_DETACH) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return -1, err
		}
	}
	return unix.Open(path.Clean("/"+host), unix.O_PATH|unix.O_CLOEXEC, 0)
}
