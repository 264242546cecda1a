package x11

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// maxArguments is how much is read of a command line or an environment.
const maxArguments = 1 << 20

// Server is a running X server.
type Server struct {
	Owner  int              // uid
	Number int              // -1 if its command line does not say (-displayfd)
	Auth   session.HostPath // the file of its -auth option; "" if it has none
}

// Servers lists the X servers that uid or root runs, from their command lines
// in proc.
func Servers(proc session.HostPath, uid int) []Server {
	var servers []Server
	for dir, owner := range processes(proc) {
		if owner != uid && owner != 0 {
			continue
		}
		if s, ok := readServer(dir); ok {
			s.Owner = owner
			servers = append(servers, s)
		}
	}
	return servers
}

// LockHolder returns the server of display number without a walk through proc:
// the process that its lock, tmp/.X<number>-lock, names (xserver, os/utils.c).
// That may be a compositor of uid's, which starts Xwayland on demand, and then
// has no Auth. False if the lock tells nothing.
func LockHolder(tmp, proc session.HostPath, number, uid int) (Server, bool) {
	f, err := os.OpenFile(string(tmp.Join(fmt.Sprintf(".X%d-lock", number))),
		unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return Server{}, false
	}
	defer f.Close()
	// Anybody may make that file.
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() || session.Owner(st) != uid && session.Owner(st) != 0 {
		return Server{}, false
	}
	line := make([]byte, 11)
	n, _ := io.ReadFull(f, line)
	pid, err := parseNumber(strings.TrimSpace(string(line[:n])))
	if err != nil {
		return Server{}, false
	}
	dir := proc.Join(strconv.Itoa(pid))
	st, err := os.Stat(string(dir))
	if err != nil {
		return Server{}, false
	}
	owner := session.Owner(st)
	s, ok := readServer(dir)
	switch {
	case ok && s.Number != number && s.Number >= 0, owner != uid && owner != 0:
		return Server{}, false // the lock is stale
	case !ok && owner != uid:
		return Server{}, false
	}
	s.Owner, s.Number = owner, number
	return s, true
}

// readServer reads the command line of the process whose directory is dir;
// false if it is no X server.
func readServer(dir session.HostPath) (Server, bool) {
	args := readArguments(dir.Join("cmdline"))
	if len(args) == 0 || !isServer(args[0]) {
		return Server{}, false
	}
	s := parseServer(args[1:])
	if s.Auth != "" && !path.IsAbs(string(s.Auth)) {
		s.Auth = dir.Join("cwd") + "/" + s.Auth
	}
	return s, true
}

// Environments yields the environment of each process of uid in proc.
func Environments(proc session.HostPath, uid int) iter.Seq[session.Environ] {
	return func(yield func(session.Environ) bool) {
		for dir, owner := range processes(proc) {
			if owner == uid && !yield(readArguments(dir.Join("environ"))) {
				return
			}
		}
	}
}

// isServer knows the servers by the name they are run by. A server may be
// started by another name: then it has to be named in XAUTHORITY.
func isServer(command string) bool {
	switch path.Base(command) {
	case "X", "Xorg", "Xorg.bin", "Xvfb", "Xwayland", "Xephyr", "Xnest", "Xvnc",
		"Xtigervnc", "Xtightvnc", "Xspice", "Xdummy", "nxagent":
		return true
	}
	return false
}

func parseServer(args []string) Server {
	s := Server{Number: -1}
	for i, arg := range args {
		if n, ok := strings.CutPrefix(arg, ":"); ok && s.Number < 0 {
			if n, err := parseNumber(n); err == nil {
				s.Number = n
			}
		}
		if arg == "-auth" && i+1 < len(args) {
			s.Auth = session.HostPath(args[i+1])
		}
	}
	return s
}

// processes yields the directory and the owner of each process, the youngest
// first: of two that tell different things, it knows today's session.
func processes(proc session.HostPath) iter.Seq2[session.HostPath, int] {
	return func(yield func(session.HostPath, int) bool) {
		f, err := os.Open(string(proc))
		if err != nil {
			return
		}
		names, _ := f.Readdirnames(-1)
		f.Close()
		var pids []int
		for _, name := range names {
			if pid, err := parseNumber(name); err == nil {
				pids = append(pids, pid)
			}
		}
		slices.Sort(pids)
		for _, pid := range slices.Backward(pids) {
			dir := proc.Join(strconv.Itoa(pid))
			st, err := os.Stat(string(dir))
			if err == nil && !yield(dir, session.Owner(st)) {
				return
			}
		}
	}
}

// readArguments reads a list of NUL-terminated strings of /proc; a cut one is
// left out.
func readArguments(p session.HostPath) []string {
	f, err := os.OpenFile(string(p), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, _ := io.ReadAll(io.LimitReader(f, maxArguments))
	end := bytes.LastIndexByte(data, 0)
	if end < 0 {
		return nil
	}
	return strings.Split(string(data[:end]), "\x00")
}
