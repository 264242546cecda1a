// Package stall says which file a command waits for, if a file system does not
// answer: a network server that is away, or a FUSE daemon that has stopped.
package stall

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Watch calls say with the path of a file if this process still waits for it when
// limit has passed; stop ends that.
func Watch(limit time.Duration, say func(file string)) (stop func()) {
	timer := time.AfterFunc(limit, func() {
		if file := find(); file != "" {
			say(file)
		}
	})
	return func() { timer.Stop() }
}

// find returns the path that a system call of a thread of this process has as its
// argument while it waits, "" if there is none.
func find() string {
	tasks, _ := filepath.Glob("/proc/self/task/*/syscall")
	for _, task := range tasks {
		data, err := os.ReadFile(task)
		if err != nil {
			continue
		}
		if file := parse(string(data)); file != "" {
			return file
		}
	}
	return ""
}

// parse returns the path in a line of /proc/PID/syscall (proc(5)): the number of the
// system call and its arguments.
func parse(line string) string {
	f := strings.Fields(line)
	if len(f) < 3 {
		return "" // running
	}
	number, err := strconv.Atoi(f[0])
	if err != nil || !hasPath(number) {
		return ""
	}
	dir, err := strconv.ParseUint(strings.TrimPrefix(f[1], "0x"), 16, 64)
	address, err2 := strconv.ParseUint(strings.TrimPrefix(f[2], "0x"), 16, 64)
	if err != nil || err2 != nil {
		return ""
	}
	return join(int32(dir), readString(uintptr(address)))
}

// hasPath reports whether a system call has a directory and a path as its first
// arguments.
func hasPath(number int) bool {
	switch number {
	case unix.SYS_OPENAT, unix.SYS_OPENAT2, fstatat, unix.SYS_STATX, unix.SYS_READLINKAT, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2:
		return true
	}
	return false
}

// join returns the absolute path of name in the directory dir.
func join(dir int32, name string) string {
	if path.IsAbs(name) {
		return name
	}
	link := "/proc/self/cwd"
	if dir != unix.AT_FDCWD {
		link = fmt.Sprintf("/proc/self/fd/%d", dir)
	}
	parent, err := os.Readlink(link)
	if err != nil {
		return ""
	}
	return path.Join(parent, name)
}

// readString returns the string at an address of this process, "" if it cannot be
// read: the thread may have gone on meanwhile.
func readString(address uintptr) string {
	buf := make([]byte, unix.PathMax)
	// A page at a time: the next one may not be mapped.
	n := min(len(buf), 4096-int(address%4096))
	got, err := unix.ProcessVMReadv(os.Getpid(), []unix.Iovec{iovec(buf[:n])}, []unix.RemoteIovec{{Base: address, Len: n}}, 0)
	if err != nil {
		return ""
	}
	if got == n && n < len(buf) && bytes.IndexByte(buf[:n], 0) < 0 {
		rest, _ := unix.ProcessVMReadv(os.Getpid(), []unix.Iovec{iovec(buf[n:])}, []unix.RemoteIovec{{Base: address + uintptr(n), Len: len(buf) - n}}, 0)
		got += max(rest, 0)
	}
	text, _, ok := bytes.Cut(buf[:got], []byte{0})
	if !ok {
		return ""
	}
	return string(text)
}

func iovec(b []byte) unix.Iovec {
	v := unix.Iovec{Base: &b[0]}
	v.SetLen(len(b))
	return v
}
