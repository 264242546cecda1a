package main

import (
	"golang.org/x/sys/unix"

	"chrun/internal/trace"
)

const fstatat = unix.SYS_NEWFSTATAT

// Older calls that only this architecture has.
func init() {
	skipped[unix.SYS_ARCH_PRCTL] = true // a thread's start
	failWith(trace.Fault{Errno: unix.EMFILE}, map[uint64]string{unix.SYS_OPEN: "open", unix.SYS_PIPE: "pipe", unix.SYS_DUP2: "dup2"})
	failWith(trace.Fault{Errno: unix.ENOMEM}, map[uint64]string{unix.SYS_FORK: "fork", unix.SYS_VFORK: "vfork"})
	failWith(trace.Fault{Errno: unix.EIO}, map[uint64]string{unix.SYS_ACCESS: "access", unix.SYS_READLINK: "readlink", unix.SYS_STAT: "stat", unix.SYS_LSTAT: "lstat",
		unix.SYS_UNLINK: "unlink", unix.SYS_RMDIR: "rmdir", unix.SYS_MKDIR: "mkdir", unix.SYS_RENAME: "rename", unix.SYS_POLL: "poll", unix.SYS_GETDENTS: "getdents"})
	failWith(trace.Fault{Errno: unix.EPERM}, map[uint64]string{unix.SYS_CHMOD: "chmod", unix.SYS_CHOWN: "chown", unix.SYS_LCHOWN: "lchown"})
}
