package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/internal/trace"
)

// never are the calls that do not fail here, each group with its reason.
var never = []struct {
	why   string
	calls []uint64
}{
	{"they do not return", []uint64{unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_RT_SIGRETURN, unix.SYS_RESTART_SYSCALL}},
	{"they always succeed", []uint64{unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_GETPPID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID,
		unix.SYS_GETEGID, unix.SYS_UMASK, unix.SYS_SCHED_YIELD, unix.SYS_SET_TID_ADDRESS}},
	{"the Go runtime's memory: it cannot go on without", []uint64{unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_BRK}},
	{"the Go runtime's threads and timers", []uint64{unix.SYS_FUTEX, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_SCHED_GETAFFINITY,
		unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ}},
	{"the Go runtime's signals", []uint64{unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_SIGALTSTACK, unix.SYS_TGKILL}},
	{"the Go runtime's poller", []uint64{unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2}},
}

// kind is the name of a call and how it fails.
type kind struct {
	name  string
	fault trace.Fault
}

// failWith lists calls that fail with the same error, by name.
func failWith(fault trace.Fault, calls map[uint64]string) {
	for nr, name := range calls {
		kinds[nr] = kind{name, fault}
	}
}

// kinds are the calls whose name is known. Others fail with EIO.
var kinds = map[uint64]kind{}

func init() {
	for _, group := range never {
		for _, nr := range group.calls {
			skipped[nr] = true
		}
	}
	failWith(trace.Fault{Errno: unix.EMFILE}, map[uint64]string{unix.SYS_OPENAT: "openat", unix.SYS_OPENAT2: "openat2", unix.SYS_SOCKET: "socket", unix.SYS_SOCKETPAIR: "socketpair",
		unix.SYS_PIPE2: "pipe2", unix.SYS_DUP: "dup", unix.SYS_DUP3: "dup3", unix.SYS_INOTIFY_INIT1: "inotify_init1", unix.SYS_OPEN_TREE: "open_tree", unix.SYS_FSOPEN: "fsopen",
		unix.SYS_FSMOUNT: "fsmount", unix.SYS_PIDFD_OPEN: "pidfd_open", unix.SYS_ACCEPT4: "accept4", unix.SYS_RECVMSG: "recvmsg"})
	failWith(trace.Fault{Errno: unix.ENOMEM}, map[uint64]string{unix.SYS_CLONE: "clone", unix.SYS_CLONE3: "clone3", unix.SYS_MOUNT: "mount", unix.SYS_MOVE_MOUNT: "move_mount",
		unix.SYS_MOUNT_SETATTR: "mount_setattr", unix.SYS_FSCONFIG: "fsconfig", unix.SYS_PIVOT_ROOT: "pivot_root", unix.SYS_UMOUNT2: "umount2",
		unix.SYS_INOTIFY_ADD_WATCH: "inotify_add_watch", unix.SYS_EXECVE: "execve"})
	failWith(trace.Fault{Errno: unix.EPERM}, map[uint64]string{unix.SYS_UNSHARE: "unshare", unix.SYS_SETNS: "setns", unix.SYS_SETRESUID: "setresuid", unix.SYS_SETRESGID: "setresgid",
		unix.SYS_SETUID: "setuid", unix.SYS_SETGID: "setgid", unix.SYS_SETGROUPS: "setgroups", unix.SYS_PRCTL: "prctl", unix.SYS_CAPSET: "capset", unix.SYS_CAPGET: "capget",
		unix.SYS_SECCOMP: "seccomp", unix.SYS_PRLIMIT64: "prlimit64", unix.SYS_KILL: "kill", unix.SYS_FCHOWN: "fchown", unix.SYS_FCHOWNAT: "fchownat",
		unix.SYS_SETXATTR: "setxattr", unix.SYS_FSETXATTR: "fsetxattr", unix.SYS_REMOVEXATTR: "removexattr", unix.SYS_FCHMOD: "fchmod", unix.SYS_FCHMODAT: "fchmodat",
		unix.SYS_SETSID: "setsid", unix.SYS_SETPGID: "setpgid", unix.SYS_PERSONALITY: "personality"})
	failWith(trace.Fault{Errno: unix.EIO}, map[uint64]string{unix.SYS_READ: "read", unix.SYS_PREAD64: "pread64", unix.SYS_WRITE: "write", unix.SYS_WRITEV: "writev",
		unix.SYS_GETDENTS64: "getdents64", unix.SYS_FSTAT: "fstat", fstatat: "newfstatat", unix.SYS_STATX: "statx", unix.SYS_STATFS: "statfs", unix.SYS_FSTATFS: "fstatfs",
		unix.SYS_READLINKAT: "readlinkat", unix.SYS_FACCESSAT: "faccessat", unix.SYS_FACCESSAT2: "faccessat2", unix.SYS_FCNTL: "fcntl", unix.SYS_IOCTL: "ioctl", unix.SYS_LSEEK: "lseek",
		unix.SYS_MKDIRAT: "mkdirat", unix.SYS_SYMLINKAT: "symlinkat", unix.SYS_UNLINKAT: "unlinkat", unix.SYS_RENAMEAT: "renameat", unix.SYS_RENAMEAT2: "renameat2", unix.SYS_LINKAT: "linkat",
		unix.SYS_FTRUNCATE: "ftruncate", unix.SYS_FSYNC: "fsync", unix.SYS_UTIMENSAT: "utimensat", unix.SYS_CHDIR: "chdir", unix.SYS_FCHDIR: "fchdir", unix.SYS_FLOCK: "flock",
		unix.SYS_BIND: "bind", unix.SYS_LISTEN: "listen", unix.SYS_CONNECT: "connect", unix.SYS_SENDTO: "sendto", unix.SYS_RECVFROM: "recvfrom", unix.SYS_SENDMSG: "sendmsg",
		unix.SYS_GETSOCKOPT: "getsockopt", unix.SYS_SETSOCKOPT: "setsockopt", unix.SYS_GETSOCKNAME: "getsockname", unix.SYS_GETPEERNAME: "getpeername", unix.SYS_PPOLL: "ppoll",
		unix.SYS_GETXATTR: "getxattr", unix.SYS_FGETXATTR: "fgetxattr", unix.SYS_GETCWD: "getcwd", unix.SYS_UNAME: "uname", unix.SYS_CLOSE_RANGE: "close_range",
		unix.SYS_SHUTDOWN: "shutdown", unix.SYS_GETRANDOM: "getrandom", unix.SYS_GETGROUPS: "getgroups", unix.SYS_COPY_FILE_RANGE: "copy_file_range"})
	failWith(trace.Fault{Errno: unix.ECHILD}, map[uint64]string{unix.SYS_WAIT4: "wait4", unix.SYS_WAITID: "waitid"})
	failWith(trace.Fault{Errno: unix.EIO, After: true}, map[uint64]string{unix.SYS_CLOSE: "close"})
	failWith(trace.Fault{BadArgument: true}, map[uint64]string{unix.SYS_SETFSUID: "setfsuid", unix.SYS_SETFSGID: "setfsgid"})
}

var skipped = map[uint64]bool{}

// mayFail reports whether a call is one of those that fail in turn.
func mayFail(c *trace.Call) bool {
	switch {
	case skipped[c.Nr]:
		return false
	case c.Nr == unix.SYS_CLONE: // the Go runtime ends without a thread that it needs
		return c.Args[0]&unix.CLONE_THREAD == 0
	case c.Nr == unix.SYS_FCNTL && c.Args[0] <= 2 && c.Args[1] == unix.F_GETFD: // the Go runtime's first act, which fails only for a closed descriptor
		return false
	case c.Nr == unix.SYS_WRITE || c.Nr == unix.SYS_READ: // pipes do not fail, they only end
		file, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", c.PID, c.Args[0]))
		return !strings.HasPrefix(file, "pipe:") && file != "anon_inode:[eventfd]"
	}
	return true
}

// faultOf is how a call fails.
func faultOf(c *trace.Call) *trace.Fault {
	if k, ok := kinds[c.Nr]; ok {
		return &k.fault
	}
	return &trace.Fault{Errno: unix.EIO}
}

// describe prints a call with the strings among its arguments.
func describe(c *trace.Call) string {
	k, ok := kinds[c.Nr]
	if !ok {
		k.name = fmt.Sprintf("call %d", c.Nr)
	}
	var words []string
	for i, a := range c.Args[:5] {
		if text := c.Text(i); text != "" {
			words = append(words, fmt.Sprintf("%q", text))
		} else {
			words = append(words, fmt.Sprintf("%#x", a))
		}
	}
	return k.name + "(" + strings.Join(words, ", ") + ")"
}
