package trees

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// Source is where the files of a new tree come from: a file, standard input, or a
// distribution's packages.
type Source struct {
	file         string // "-" is standard input
	Distribution string // debian or ubuntu, else ""
	suite        string
}

// ParseSource parses FILE, -, debian:SUITE or ubuntu:SUITE.
func ParseSource(s string) (Source, error) {
	for _, d := range []string{"debian", "ubuntu"} {
		if suite, ok := strings.CutPrefix(s, d+":"); ok {
			if suite == "" || strings.Trim(suite, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" || suite[0] == '-' {
				return Source{}, fmt.Errorf("%q is not the name of a release", suite)
			}
			return Source{Distribution: d, suite: suite}, nil
		}
	}
	if strings.Contains(s, "://") {
		return Source{}, errors.New("chrunctl does not download: give a file, or - for standard input")
	}
	if s == "" {
		return Source{}, errors.New("it is empty")
	}
	return Source{file: s}, nil
}

// String describes the source.
func (s Source) String() string {
	if s.Distribution != "" {
		return s.Distribution + " " + s.suite
	}
	if s.file == "-" {
		return "standard input"
	}
	return s.file
}

// archive is an open source.
type archive struct {
	io.Reader
	size  int64 // 0 if it is not known
	close func() error
}

// open opens the source of c. temp is a directory for temporary files.
func (c *Creation) open(ctx context.Context, temp string) (*archive, error) {
	s := c.Source
	if s.Distribution != "" {
		return c.bootstrap(ctx, temp)
	}
	f := c.Stdin
	if s.file != "-" {
		var err error
		if f, err = os.Open(s.file); err != nil {
			return nil, err
		}
	}
	a := &archive{Reader: &waitingReader{ctx, f}, close: f.Close}
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
		a.size = st.Size()
	}
	return a, nil
}

// CheckSource returns an error if the source cannot be used: a file that cannot be read,
// or a program or keyring that is missing.
func (c *Creation) CheckSource() error {
	s := c.Source
	if c.Keyring != "" {
		if _, err := os.Stat(c.Keyring); err != nil {
			return err
		}
	}
	switch {
	case s.Distribution != "":
		_, err := c.findKeyring()
		return err
	case s.file == "-":
		return nil
	}
	st, err := os.Stat(s.file)
	if errors.Is(err, os.ErrNotExist) && isLikeDistribution(s.file) {
		return fmt.Errorf("%w, and the distributions are debian:SUITE and ubuntu:SUITE", err)
	}
	if err != nil {
		return err
	}
	if st.IsDir() {
		return &directoryError{s.file}
	}
	return pathError("open", s.file, unix.Access(s.file, unix.R_OK))
}

// isLikeDistribution reports whether the name of a file may be meant for a distribution.
func isLikeDistribution(file string) bool {
	name, _, _ := strings.Cut(strings.ToLower(file), "/")
	return strings.Contains(file, ":") || name == "debian" || name == "ubuntu"
}

// directoryError says that a source is a directory.
type directoryError struct{ dir string }

func (e *directoryError) Error() string { return e.dir + ": is a directory, not an archive" }
func (e *directoryError) Hint() string {
	return "to use a chroot that exists: chrunctl add NAME " + session.Quote(e.dir)
}

// waitingReader reads a file that may be a pipe or a terminal, until ctx is done.
type waitingReader struct {
	ctx  context.Context
	file *os.File
}

func (r *waitingReader) Read(p []byte) (int, error) {
	for r.ctx.Err() == nil {
		fds := []unix.PollFd{{Fd: int32(r.file.Fd()), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, 200); n > 0 || err != nil && err != unix.EINTR {
			return r.file.Read(p)
		}
	}
	return 0, context.Cause(r.ctx)
}

// keyrings are the files that the distributions' keyring packages install.
var keyrings = map[string]struct{ file, pkg string }{
	"debian": {"/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"},
	"ubuntu": {"/usr/share/keyrings/ubuntu-archive-keyring.gpg", "ubuntu-keyring"},
}

// missingError says which package lacks.
type missingError struct{ what, pkg string }

func (e *missingError) Error() string { return e.what + " is missing" }
func (e *missingError) Hint() string  { return "sudo apt-get install " + e.pkg }

// findKeyring returns the keys of a distribution. It is an error if mmdebstrap is missing.
func (c *Creation) findKeyring() (file string, err error) {
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		return "", &missingError{"mmdebstrap, which makes Debian and Ubuntu systems,", "mmdebstrap"}
	}
	if c.Keyring != "" {
		return c.Keyring, nil
	}
	k := keyrings[c.Source.Distribution]
	if _, err := os.Stat(k.file); err != nil {
		return "", &missingError{"the keyring of " + c.Source.Distribution + ", " + k.file + ",", k.pkg}
	}
	return k.file, nil
}

// bootstrap starts mmdebstrap(1), which writes a tar archive.
func (c *Creation) bootstrap(ctx context.Context, temp string) (*archive, error) {
	s := c.Source
	keyring, err := c.findKeyring()
	if err != nil {
		return nil, err
	}
	mode := "unshare"
	if c.Map.UIDs == nil {
		mode = "root"
	}
	// Without the lists, the first "apt-get install" would fail.
	args := []string{"--mode=" + mode, "--variant=important", "--format=tar", "--keyring=" + keyring, "--skip=cleanup/apt/lists"}
	if len(c.Packages) > 0 {
		args = append(args, "--include="+strings.Join(c.Packages, ","))
	}
	// mmdebstrap's apt needs the same settings as the host's to reach a mirror.
	settings, err := hostAptSettings(ctx)
	if err != nil {
		return nil, err
	}
	if len(settings) > 0 {
		file := path.Join(temp, "apt.conf")
		if err := os.WriteFile(file, settings, 0o644); err != nil {
			return nil, err
		}
		args = append(args, "--aptopt="+file)
	}
	cmd := exec.CommandContext(ctx, "mmdebstrap", append(args, s.suite, "-")...)
	cmd.Env = append(slices.Clone(c.Env), "TMPDIR="+temp)
	stop, release, err := supervised(cmd)
	if err != nil {
		return nil, err
	}
	defer release()
	cmd.Cancel = stop
	cmd.WaitDelay = 20 * time.Second
	log := &c.log
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &archive{Reader: out, close: func() error {
		io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			return &bootstrapError{s, err, log.String()}
		}
		return nil
	}}, nil
}

func hostAptSettings(ctx context.Context) (settings []byte, err error) {
	out, err := exec.CommandContext(ctx, "apt-config", "dump").Output()
	if err != nil {
		return nil, nil // a host without apt
	}
	for line := range bytes.Lines(out) {
		if bytes.HasPrefix(line, []byte("Acquire::http")) && bytes.Contains(bytes.ToLower(line), []byte("::proxy")) ||
			bytes.HasPrefix(line, []byte("Acquire::Check-")) {
			settings = append(settings, line...)
		}
	}
	return settings, nil
}

// findErrors returns the lines of apt that tell what is wrong, or all.
func findErrors(log string) string {
	var found []string
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "E: ") && !strings.HasPrefix(line, "E: mmdebstrap") && !strings.Contains(line, "Status-Fd") {
			found = append(found, line)
		}
	}
	if len(found) == 0 {
		return log
	}
	return strings.Join(found, "\n")
}

// tail keeps the last lines of what a program prints.
type tail struct {
	sync.Mutex
	data []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.Lock()
	defer t.Unlock()
	t.data = append(t.data, p...)
	if len(t.data) > 4<<10 {
		t.data = t.data[len(t.data)-4<<10:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.Lock()
	defer t.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.data)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}
