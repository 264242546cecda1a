package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"chrun/internal/headless"
)

// windowRuns is the number of windows that each program opens.
const windowRuns = 20

// watcher receives the times of window events from the server, so the times do not
// include polling.
type watcher struct {
	opened, closed chan time.Time
	close          func() error
}

func newWatcher(close func() error) *watcher {
	return &watcher{make(chan time.Time, 16), make(chan time.Time, 16), close}
}

// windows measures the time from exec to a program's first window.
func (b *bench) windows(t *table) error {
	for _, program := range []struct {
		what  string
		watch func(*headless.Session) (*watcher, error)
		argv  []string
	}{
		{"first window of xclock (X11)", watchX, []string{"xclock"}},
		{"first window of foot (Wayland)", watchSway, []string{"foot", "sleep", "60"}},
		{"first window of zenity (Wayland, GTK)", watchSway, []string{"zenity", "--info", "--text=here"}},
	} {
		theirs := "the same on the host"
		if same, err := b.isSameBuild(program.argv[0]); err != nil {
			t.skip(program.what, theirs, "≤ +3 ms", err)
			continue
		} else if !same {
			theirs = "the host's own build"
		}
		commands := [][]string{b.launch(program.argv...), program.argv}
		if b.bwrap != nil {
			commands = append(commands, b.bwrap.run(program.argv...))
		}
		times, err := b.openAll(program.watch, commands)
		if err != nil {
			t.skip(program.what, theirs, "≤ +3 ms", err)
			continue
		}
		t.later(program.what, theirs, 3e-3, times[0], times[1])
		if b.bwrap != nil {
			t.ratio(program.what, "bwrap with the same binds", 0, times[0], times[2])
		}
	}
	return nil
}

// openAll opens the commands' windows in turn, in alternating order.
func (b *bench) openAll(watch func(*headless.Session) (*watcher, error), commands [][]string) ([]samples, error) {
	w, err := watch(b.session)
	if err != nil {
		return nil, err
	}
	defer w.close()
	times, order := make([]samples, len(commands)), make([]int, len(commands))
	for i := range order {
		order[i] = i
	}
	for turn := range min(windowRuns, b.runs) + 1 {
		slices.Reverse(order)
		for _, i := range order {
			took, err := b.open(w, commands[i])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", filepath.Base(commands[i][0]), err)
			}
			if turn > 0 { // the first is the warm-up
				times[i] = append(times[i], took.Seconds())
			}
		}
	}
	return times, nil
}

// open starts a program, waits for its window and ends it.
func (b *bench) open(w *watcher, words []string) (time.Duration, error) {
	var stderr bytes.Buffer
	cmd := b.asUser(words...)
	cmd.Stderr = &stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	end := func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
		}
	}
	select {
	case at := <-w.opened:
		end()
		select {
		case <-w.closed:
		case <-time.After(5 * time.Second):
			return 0, errors.New("its window did not close")
		}
		return at.Sub(start), nil
	case err := <-ended:
		return 0, fmt.Errorf("the program ended without a window: %s", firstLine(fmt.Errorf("%v", err), stderr.String()))
	case <-time.After(15 * time.Second):
		end()
		return 0, errors.New("no window in 15 s")
	case <-b.ctx.Done():
		end()
		return 0, b.ctx.Err()
	}
}

// isSameBuild reports whether the host and the chroot have the same build of a
// program.
func (b *bench) isSameBuild(name string) (bool, error) {
	host, err := exec.LookPath(name)
	if err != nil {
		return false, fmt.Errorf("%s is not installed on the host", name)
	}
	inside := followLinks(b.chroot, "/usr/bin/"+name)
	if inside == "" {
		return false, fmt.Errorf("%s is not in the chroot", name)
	}
	one, err := os.ReadFile(host)
	if err != nil {
		return false, err
	}
	two, err := os.ReadFile(filepath.Join(b.chroot, inside))
	return bytes.Equal(one, two), err
}
