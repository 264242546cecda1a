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

// maxArguments is the maximum size of a command line or an environment in bytes.
const maxArguments = 1 << 20

// Server is a running X server.
type Server struct {
	Owner  int              // a uid
	Number int              // -1 if it is not on the command line (-displayfd)
	Auth   session.HostPath // the argument of -auth, or ""
}

// FindServers returns the X servers that uid or root runs, from their command
// lines in proc.
func FindServers(proc session.HostPath, uid int) []Server {
	var servers []Server
	for dir, owner := range listProcesses(proc) {
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

// FindServerByLock finds the server of a display without reading all of proc. It
// is the process in the lock file tmp/.X<number>-lock (xserver, os/utils.c), which
// may also be a compositor of uid that starts Xwayland on demand. A compositor
// has no Auth. ok is false if the lock file does not name such a process.
func FindServerByLock(tmp, proc session.HostPath, number, uid int) (s Server, ok bool) {
	f, err := os.OpenFile(string(tmp.Join(fmt.Sprintf(".X%d-lock", number))),
		unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return Server{}, false
	}
	defer f.Close()
	// Any user can create that file.
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
	s, isServer := readServer(dir)
	switch {
	case owner != uid && owner != 0, isServer && s.Number != number && s.Number >= 0:
		return Server{}, false // the lock is stale
	case !isServer && owner != uid:
		return Server{}, false
	}
	s.Owner, s.Number = owner, number
	return s, true
}

// readServer parses the command line of the process with the directory dir. ok is
// false if it is not an X server.
func readServer(dir session.HostPath) (s Server, ok bool) {
	args := readArguments(dir.Join("cmdline"))
	if len(args) == 0 || !isServerCommand(args[0]) {
		return Server{}, false
	}
	s = parseServer(args[1:])
	if s.Auth != "" && !path.IsAbs(string(s.Auth)) {
		s.Auth = dir.Join("cwd") + "/" + s.Auth
	}
	return s, true
}

// ReadEnvironments yields the environment of each process of uid in proc, the
// newest process first.
func ReadEnvironments(proc session.HostPath, uid int) iter.Seq[session.Environ] {
	return func(yield func(session.Environ) bool) {
		for dir, owner := range listProcesses(proc) {
			if owner == uid && !yield(readArguments(dir.Join("environ"))) {
				return
			}
		}
	}
}

// isServerCommand reports whether command is the name of a known X server. For a
// server with another name, users have to set XAUTHORITY.
func isServerCommand(command string) bool {
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

// listProcesses yields the directory and the owner of each process, the newest
// first, because that belongs to the current session.
func listProcesses(proc session.HostPath) iter.Seq2[session.HostPath, int] {
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

// readArguments reads a list of NUL-terminated strings from /proc. It leaves out
// an incomplete last one.
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
