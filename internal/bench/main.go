// Bench compares chrun's speed with that of other tools, in one run and as
// ratios, and prints a table in Markdown. `make bench` runs it.
//
// An ordinary user makes every launch, in a headless desktop with all features.
// hyperfine measures the times and alternates the commands, so that a busy machine
// slows all of them. Tools that need root, such as arch-chroot, run in a private
// mount namespace on an overlay, which leaves the chroot and the host unchanged.
// This is not a test: nothing fails for being slow.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
)

// bench is what every measurement needs.
type bench struct {
	ctx     context.Context
	session *headless.Session
	chroot  string
	runs    int
	dir     string // programs and scripts, readable by everybody
	own     string // only for the session's user: homes, and the small files for bwrap
	bin     string // directory of chrun and chrunctl
	chrun   string // the launcher, where the session's user can run it
	empty   string // a Go program that does nothing
	bwrap   *sandbox
	notes   []string
}

func main() {
	chroot := flag.String("chroot", "", "directory of the chroot (default: $CHROOT, then $CHRUN_TEST_CHROOT)")
	chrun := flag.String("chrun", "bin/chrun", "the launcher")
	runs := flag.Int("runs", 250, "runs of a short command; longer ones run less often")
	write := flag.String("write", "", "file in which the table replaces the text between the bench markers")
	flag.Parse()
	for _, dir := range []string{os.Getenv("CHROOT"), os.Getenv("CHRUN_TEST_CHROOT")} {
		if *chroot == "" {
			*chroot = dir
		}
	}
	if err := run(*chroot, *chrun, *write, max(5, *runs)); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(chroot, chrun, write string, runs int) (err error) {
	if chroot == "" {
		return errors.New("no chroot: CHROOT=$(scripts/chroot.sh) go run ./internal/bench")
	}
	if _, err := exec.LookPath("hyperfine"); err != nil {
		return errors.New("hyperfine is missing: apt-get install hyperfine")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// Become the parent of orphans, such as bwrap's program, because the first
	// process of a container may not collect them.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	b := &bench{ctx: ctx, runs: runs}
	if b.chroot, err = filepath.Abs(chroot); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.prepare(chrun); err != nil {
		return err
	}
	text, err := b.report()
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case err != nil:
		return err
	}
	fmt.Print(text)
	if write != "" {
		return replace(write, text)
	}
	return nil
}

// report makes all measurements. A measurement that fails becomes a note, except
// those of the launch itself, without which there is no report.
func (b *bench) report() (string, error) {
	var t table
	progress("launches")
	if err := b.launches(&t); err != nil {
		return "", err
	}
	for _, step := range []struct {
		name string
		do   func(*table) error
	}{
		{"identities", b.identities},
		{"arch-chroot, systemd-nspawn, schroot", b.rootTools},
		{"time to the first window", b.windows},
		{"export", b.exports},
		{"memory", b.memory},
		{"mounts on the host", b.mounts},
		{"launches at once", b.parallelLaunches},
	} {
		progress(step.name)
		if err := step.do(&t); err != nil {
			b.note("%s: %v", step.name, err)
		}
		if b.ctx.Err() != nil {
			return "", b.ctx.Err()
		}
	}
	return t.markdown(describeMachine(b.session.User.UID, b.runs), b.notes), nil
}

func progress(step string) { fmt.Fprintln(os.Stderr, "bench:", step) }

// note adds a line below the tables.
func (b *bench) note(format string, args ...any) {
	text, _, _ := strings.Cut(fmt.Sprintf(format, args...), "\n")
	b.notes = append(b.notes, text)
}

// prepare copies and builds the programs and starts the desktop.
func (b *bench) prepare(chrun string) (err error) {
	if b.dir, err = os.MkdirTemp("/tmp", "chrun-bench-"); err != nil {
		return err
	}
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	// The checkout may be in root's home, which an ordinary user cannot enter.
	b.bin = filepath.Dir(chrun)
	b.chrun, b.empty = filepath.Join(b.dir, "chrun"), filepath.Join(b.dir, "empty")
	data, err := os.ReadFile(chrun)
	if err != nil {
		return fmt.Errorf("%w: run make first", err)
	}
	if err := os.WriteFile(b.chrun, data, 0o755); err != nil {
		return err
	}
	if err := b.buildEmpty(); err != nil {
		return err
	}
	progress("starting a headless desktop")
	b.session, err = headless.Start(headless.Options{Compositor: "sway", X11: true, Sound: true, Bus: true})
	if err != nil {
		return err
	}
	b.own = filepath.Join(b.dir, "own")
	if err := os.Mkdir(b.own, 0o700); err != nil {
		return err
	}
	if err := os.Chown(b.own, b.session.User.UID, b.session.User.GID); err != nil {
		return err
	}
	// Private homes and caches are not in the account's home, which stays unchanged.
	for _, name := range []string{"CONFIG", "DATA", "CACHE", "STATE"} {
		b.session.Env = append(b.session.Env, "XDG_"+name+"_HOME="+filepath.Join(b.own, strings.ToLower(name)))
	}
	return nil
}

func (b *bench) buildEmpty() error {
	source := filepath.Join(b.dir, "empty.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o644); err != nil {
		return err
	}
	cmd := exec.CommandContext(b.ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.empty, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build an empty program: %w: %s", err, out)
	}
	return nil
}

func (b *bench) close() error {
	err := b.session.Close()
	for pid := 1; pid > 0; { // collect orphans
		pid, _ = syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
	}
	if b.dir != "" {
		err = errors.Join(err, os.RemoveAll(b.dir))
	}
	return err
}
