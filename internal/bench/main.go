// Bench compares chrun's speed with that of other tools, in one run and as
// ratios, and prints a table in Markdown. `make bench` runs it.
//
// An ordinary user makes every launch, in a headless desktop with all features, from
// copies of the programs. hyperfine measures the times and alternates the commands,
// so that a busy machine slows all of them. If the host has few mounts and root runs
// it, it adds some in its own mount namespace, as a desktop has more. Tools that need root, such as arch-chroot, run in a private
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
	conditions
	dir     string // programs and scripts, readable by everybody
	own     string // only for the session's user, such as the small files for bwrap
	home    string // HOME of all launches
	results string // directory in memory for hyperfine's results
	chrun   string // copies of the launcher,
	ctl     string // of chrunctl,
	empty   string // of a Go program that does nothing
	bench   string // and of this program
	bwrap   *sandbox
	made    []string // directories to remove at the end
	notes   []string
}

func main() {
	chroot := flag.String("chroot", "", "directory of the chroot (default: $CHROOT, then $CHRUN_TEST_CHROOT)")
	chrun := flag.String("chrun", "bin/chrun", "the launcher")
	runs := flag.Int("runs", 250, "runs of a short command; longer ones run less often")
	write := flag.String("write", "", "file in which the table replaces the text between the bench markers")
	added := flag.Int("added", 0, "set by this program: how many mounts it has added before it started itself again")
	count := flag.Int("together", 0, "set by this program: how many times to start the command that follows")
	flag.Parse()
	for _, dir := range []string{os.Getenv("CHROOT"), os.Getenv("CHRUN_TEST_CHROOT")} {
		if *chroot == "" {
			*chroot = dir
		}
	}
	var err error
	if *count > 0 {
		err = startTogether(*count, flag.Args())
	} else {
		err = run(*chroot, *chrun, *write, conditions{runs: max(5, *runs), added: *added})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(chroot, chrun, write string, c conditions) (err error) {
	c.load = readLoad()
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
	b := &bench{ctx: ctx, conditions: c}
	if b.chroot, err = filepath.Abs(chroot); err != nil {
		return err
	}
	if err := addLaunchMounts(b.chroot); err != nil {
		return err
	}
	b.conditions.mounts = countMounts()
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
		{"visible directories in the home", b.homes},
		{"long passwd and group", b.accounts},
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
	return t.markdown(b.heading(), b.notes), nil
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
	b.made = append(b.made, b.dir)
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	if err := b.copyPrograms(chrun); err != nil {
		return err
	}
	progress("starting a headless desktop")
	b.session, err = headless.Start(headless.Options{Compositor: "sway", X11: true, Sound: true, Bus: true})
	if err != nil {
		return err
	}
	b.uid = b.session.User.UID
	b.own = filepath.Join(b.dir, "own")
	if err := os.Mkdir(b.own, 0o700); err != nil {
		return err
	}
	if b.results, err = os.MkdirTemp("/dev/shm", "chrun-bench-"); err != nil {
		return err
	}
	b.made = append(b.made, b.results)
	if err := b.giveAway(b.own, b.results); err != nil {
		return err
	}
	if b.home, err = b.makeHome(visibleDirs); err != nil {
		return err
	}
	b.session.Env = append(b.session.Env, "HOME="+b.home) // the account's home stays unchanged
	return nil
}

func (b *bench) close() error {
	err := b.session.Close()
	for pid := 1; pid > 0; { // collect orphans
		pid, _ = syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
	}
	for _, dir := range b.made {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}
