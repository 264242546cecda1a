// Probe is the program that the tests of package launch run inside a chroot. It
// reports what it finds there. It is built without cgo, so that it runs in a tree
// without libraries.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Report is the output of "probe report". Byte slices preserve every byte in JSON.
type Report struct {
	Args, Env [][]byte
	Cwd       string
	UID, GID  [3]int // real, effective, saved
	Groups    []int
	Umask     string
	Mounts    []string          // from mountinfo: "mountpoint fstype options"
	Files     map[string]string // open descriptors
	Pgrp      int
}

func main() {
	if len(os.Args) < 2 {
		fmt.Println("probe", os.Args[0])
		return
	}
	switch os.Args[1] {
	case "report":
		json.NewEncoder(os.Stdout).Encode(report())
	case "exit":
		n, _ := strconv.Atoi(arg(2))
		os.Exit(n)
	case "die":
		n, _ := strconv.Atoi(arg(2))
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
		unix.Kill(os.Getpid(), syscall.Signal(n))
		time.Sleep(time.Minute)
	case "say":
		fmt.Println(strings.Join(os.Args[2:], " "))
	case "list":
		for _, p := range os.Args[2:] {
			list(p)
		}
	case "read":
		data, err := os.ReadFile(arg(2))
		check(err)
		os.Stdout.Write(data)
	case "write":
		check(os.WriteFile(arg(2), []byte(arg(3)), 0o600))
	case "reach": // access a directory such as /proc/PID/root
		_, err := os.ReadDir(arg(2))
		check(err)
		fmt.Println("reached")
	case "userns":
		makeUserNamespace()
	case "nested": // in a user namespace that "userns" made
		check(unix.Mount("tmpfs", "/tmp", "tmpfs", 0, ""))
		fmt.Println("nested")
	case "net":
		useNetwork()
	case "sleep":
		fmt.Println("ready", os.Getpid())
		time.Sleep(time.Minute)
	case "detach": // leave a process running
		cmd := exec.Command("/proc/self/exe", "sleep")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		check(cmd.Start())
		fmt.Println(cmd.Process.Pid)
	case "signals":
		printSignals()
	case "lines":
		echoLines()
	default:
		fmt.Fprintln(os.Stderr, "probe: unknown", os.Args[1])
		os.Exit(99)
	}
}

// arg returns an argument, or "" if there are fewer.
func arg(i int) string {
	if len(os.Args) > i {
		return os.Args[i]
	}
	return ""
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(98)
	}
}

// list prints the entries of a directory and their types.
func list(dir string) {
	list, err := os.ReadDir(dir)
	check(err)
	for _, e := range list {
		st, err := os.Lstat(filepath.Join(dir, e.Name()))
		check(err)
		fmt.Println(filepath.Join(dir, e.Name()), st.Mode().Type())
	}
}

// makeUserNamespace runs "nested" in a new user namespace.
func makeUserNamespace() {
	cmd := exec.Command("/proc/self/exe", "nested")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}}
	check(cmd.Run())
}

// useNetwork prints the network interfaces and connects to itself over TCP.
func useNetwork() {
	list, err := net.Interfaces()
	check(err)
	for _, i := range list {
		fmt.Println(i.Name, i.Flags&net.FlagUp != 0)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	_, err = net.Dial("tcp", l.Addr().String())
	check(err)
}

// echoLines prints lines from stdin until "end".
func echoLines() {
	fmt.Println("reading")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() && in.Text() != "end" {
		fmt.Printf("line <%s>\n", in.Text())
	}
}

// printSignals prints every signal that it receives. A line on stdin ends it.
func printSignals() {
	c := make(chan os.Signal, 100)
	signal.Notify(c, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGCONT, unix.SIGWINCH)
	lines := make(chan string)
	go func() {
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			lines <- in.Text()
		}
		close(lines)
	}()
	fmt.Println("ready", os.Getpid())
	for {
		select {
		case s := <-c:
			fmt.Printf("<%s>\n", unix.SignalName(s.(syscall.Signal)))
		case <-lines:
			fmt.Println("end")
			return
		case <-time.After(time.Minute):
			os.Exit(97)
		}
	}
}

func report() *Report {
	r := &Report{Pgrp: unix.Getpgrp(), Files: map[string]string{}}
	data, err := os.ReadFile("/proc/self/cmdline")
	check(err)
	for _, a := range strings.SplitAfter(string(data), "\x00") {
		if a != "" {
			r.Args = append(r.Args, []byte(strings.TrimSuffix(a, "\x00")))
		}
	}
	for _, kv := range os.Environ() {
		r.Env = append(r.Env, []byte(kv))
	}
	r.Cwd, err = os.Getwd()
	check(err)
	r.UID[0], r.UID[1], r.UID[2] = unix.Getresuid()
	r.GID[0], r.GID[1], r.GID[2] = unix.Getresgid()
	r.Groups, _ = unix.Getgroups()
	status, err := os.ReadFile("/proc/self/status")
	check(err)
	for _, line := range strings.Split(string(status), "\n") {
		if v, ok := strings.CutPrefix(line, "Umask:"); ok {
			r.Umask = strings.TrimSpace(v)
		}
	}
	info, err := os.ReadFile("/proc/self/mountinfo")
	check(err)
	for _, line := range strings.Split(strings.TrimSpace(string(info)), "\n") {
		f := strings.Fields(line)
		_, fs, _ := strings.Cut(line, " - ")
		r.Mounts = append(r.Mounts, f[4]+" "+strings.Fields(fs)[0]+" "+f[5])
	}
	sort.Strings(r.Mounts)
	for fd := range 64 {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil {
			continue
		}
		flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		target, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		if flags&unix.FD_CLOEXEC == 0 { // others belong to the Go runtime
			r.Files[strconv.Itoa(fd)] = target
		}
	}
	return r
}
