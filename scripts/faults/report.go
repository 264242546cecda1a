package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// report is the program inside. It prints in one datagram what it is and what it
// sees, a fact a line.
func report() {
	var lines []string
	add := func(key string, values ...any) {
		lines = append(lines, key+" "+strings.TrimSuffix(fmt.Sprintln(values...), "\n"))
	}
	groups, err := unix.Getgroups()
	add("id", unix.Getuid(), unix.Geteuid(), unix.Getgid(), unix.Getegid(), groups, err)
	for _, line := range readLines("/proc/self/status") {
		for _, key := range []string{"Uid:", "Gid:", "Groups:", "Cap", "NoNewPrivs:", "Seccomp", "SigIgn:", "SigBlk:", "Umask:"} {
			if strings.HasPrefix(line, key) {
				add("id", strings.Fields(line))
			}
		}
	}
	var st unix.Stat_t
	err = unix.Stat("/proc/self/exe", &st)
	add("id tree", st.Dev, st.Ino, err)
	for _, line := range readLines("/proc/self/mountinfo") {
		add("mount", mountWithoutNumbers(line))
	}
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && !strings.HasPrefix(target, "/proc/") && !strings.HasPrefix(target, "/sys/fs/cgroup/") && !strings.HasPrefix(target, "anon_inode:[event") {
			add("fd", fd.Name(), strings.TrimRight(target, "[0123456789]"))
		}
	}
	for _, v := range os.Environ() {
		add("env", v)
	}
	dir, err := os.Getwd()
	add("cwd", dir, err)
	for _, dir := range []string{"/", "/etc", os.Getenv("HOME"), os.Getenv("XDG_RUNTIME_DIR")} {
		list, _ := os.ReadDir(dir)
		for _, e := range list {
			add("file", dir, e.Name(), e.Type())
		}
	}
	for _, file := range []string{"/etc/passwd", "/etc/group"} {
		add("content", file, readLines(file))
	}
	slices.Sort(lines)
	unix.Write(1, []byte(strings.Join(lines, "\n")))
}

func readLines(file string) []string {
	data, _ := os.ReadFile(file)
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// numbers are those of descriptors and of directories in chrun's tmpfs.
var numbers = regexp.MustCompile("(/proc/self/fd/|^/mirror)[0-9]+")

// mountWithoutNumbers leaves out of a line of a mount table (proc(5), mountinfo)
// what differs between launches.
func mountWithoutNumbers(line string) string {
	f := strings.Fields(line)
	if len(f) < 7 {
		return line
	}
	f = slices.DeleteFunc(f[3:], func(word string) bool {
		return strings.HasPrefix(word, "master:") || strings.HasPrefix(word, "shared:")
	})
	return numbers.ReplaceAllString(strings.Join(f, " "), "${1}N")
}
