package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session/start"
)

// openers are the host's programs that open what they are given; the first that
// the host has is used.
var openers = [][]string{{"xdg-open"}, {"gio", "open"}}

// runOpener runs the host's opener and waits for its exit status. It may leave
// programs behind that still have its output.
func (s *Server) runOpener(what, token string) error {
	program, words := s.findOpener()
	if program == "" {
		return errors.New("the host has neither a portal nor xdg-open: install xdg-desktop-portal or xdg-utils there")
	}
	output, err := newOutputFile()
	if err != nil {
		return err
	}
	defer output.Close()
	// A token is for one program: those in chrun's own environment are used up.
	env := slices.DeleteFunc(slices.Clone(s.Env), func(kv string) bool {
		return strings.HasPrefix(kv, "XDG_ACTIVATION_TOKEN=") || strings.HasPrefix(kv, "DESKTOP_STARTUP_ID=")
	})
	if token != "" {
		env = append(env, "XDG_ACTIVATION_TOKEN="+token, "DESKTOP_STARTUP_ID="+token)
	}
	c := exec.Command(program, append(slices.Clone(words[1:]), what)...)
	c.Env, c.Stdout, c.Stderr = env, output, output
	if home := s.Env.Get("HOME"); path.IsAbs(home) {
		c.Dir = home
	}
	start.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.Run(); err != nil {
		text := make([]byte, maxOutput)
		n, _ := output.ReadAt(text, 0)
		text, _, _ = bytes.Cut(text[:n], []byte{0})
		return fmt.Errorf("cannot open %q: the host's %s: %w: %s", shorten(what), words[0], err, strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "; "))
	}
	return nil
}

// findOpener finds the path of an opener and its command line.
func (s *Server) findOpener() (program string, words []string) {
	for _, words := range openers {
		for _, dir := range strings.Split(s.Env.Get("PATH"), ":") {
			p := path.Join(dir, words[0])
			var st unix.Stat_t
			if path.IsAbs(dir) && unix.Stat(p, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && unix.Access(p, unix.X_OK) == nil {
				return p, words
			}
		}
	}
	return "", nil
}

// maxOutput is how many bytes of an opener's output are kept.
const maxOutput = 4096

// newOutputFile returns a file of maxOutput bytes that cannot grow. Programs that
// an opener leaves behind may write to it for days without filling the memory,
// and never get SIGPIPE.
func newOutputFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("output", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "output")
	if err = unix.Ftruncate(fd, maxOutput); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_GROW|unix.F_SEAL_SHRINK)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
