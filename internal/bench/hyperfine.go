package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"chrun/session"
)

// samples are what was measured, one a run: seconds or bytes.
type samples []float64

func (s samples) min() float64 { return slices.Min(s) }

func (s samples) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// turns is how often the commands of one measurement take turns.
const turns = 10

// hyperfine runs the commands at least so often and returns their times, in the
// order of the commands. start makes the command that hyperfine is, where and as
// whom its commands are to be run.
func (b *bench) hyperfine(start func(words ...string) *exec.Cmd, runs int, commands ...[]string) ([]samples, error) {
	each := (runs + turns - 1) / turns
	words := []string{"--warmup", strconv.Itoa(max(1, each/10)), "--runs", strconv.Itoa(each)}
	for range turns {
		for _, command := range commands {
			words = append(words, session.Quote(command...))
		}
	}
	results, err := b.results(start, words)
	if err != nil {
		return nil, err
	}
	if len(results) != turns*len(commands) {
		return nil, fmt.Errorf("hyperfine reports %d measurements of %d", len(results), turns*len(commands))
	}
	times := make([]samples, len(commands))
	for i, times1 := range results {
		n := i % len(commands)
		times[n] = append(times[n], times1...)
	}
	return times, nil
}

// prepared runs each command so often, each time behind a line for a shell.
func (b *bench) prepared(runs int, before []string, commands ...[]string) ([]samples, error) {
	words := []string{"--warmup", "1", "--runs", strconv.Itoa(runs)}
	for _, line := range before {
		words = append(words, "--prepare", session.Quote("sh", "-c", line))
	}
	for _, command := range commands {
		words = append(words, session.Quote(command...))
	}
	return b.results(b.asUser, words)
}

// results are the times of each command that hyperfine is given.
func (b *bench) results(start func(words ...string) *exec.Cmd, words []string) (times []samples, err error) {
	file := filepath.Join(b.own, "times.json")
	defer os.Remove(file)
	words = append([]string{"hyperfine", "-N", "--style", "none", "--export-json", file}, words...)
	var stderr bytes.Buffer
	cmd := start(words...)
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return nil, errors.New(reason(err, stderr.String()))
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var report struct{ Results []struct{ Times []float64 } }
	if err := json.Unmarshal(data, &report); err != nil {
		return nil, err
	}
	for _, result := range report.Results {
		times = append(times, result.Times)
	}
	return times, nil
}

// reason is what a program said when it failed, in one line.
func reason(err error, stderr string) string {
	var said []string
	for line := range strings.Lines(stderr) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "Warning") {
			said = append(said, line)
		}
	}
	if len(said) == 0 {
		return err.Error()
	}
	return said[0]
}

// asUser starts a program as the session's user. In / because the user's home
// need not be the same inside.
func (b *bench) asUser(words ...string) *exec.Cmd {
	cmd := b.session.Command(b.ctx, words[0], words[1:]...)
	cmd.Dir = "/"
	return cmd
}

// asRoot starts a program as who runs us, in the session's environment, so that
// the session's end ends it too.
func (b *bench) asRoot(words ...string) *exec.Cmd {
	cmd := exec.CommandContext(b.ctx, words[0], words[1:]...)
	cmd.Env, cmd.Dir = b.session.Env, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 3 * time.Second
	return cmd
}

// works runs a command once and says why it fails.
func (b *bench) works(words ...string) error {
	if _, err := exec.LookPath(words[0]); err != nil {
		return errors.New("not installed")
	}
	var stderr bytes.Buffer
	cmd := b.asUser(words...)
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("does not run here: %s", reason(err, stderr.String()))
	}
	return nil
}
