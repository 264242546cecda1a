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

// samples are the measured values of the runs, in seconds or bytes.
type samples []float64

func (s samples) min() float64 { return slices.Min(s) }

func (s samples) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// turns is the number of rounds in which the commands of a measurement alternate.
const turns = 10

// hyperfine runs each command at least runs times and returns their times, in the
// order of the commands. start makes hyperfine's own command, which determines the
// user and the namespaces of the commands.
func (b *bench) hyperfine(start func(words ...string) *exec.Cmd, runs int, commands ...[]string) ([]samples, error) {
	each := (runs + turns - 1) / turns
	words := []string{"--warmup", strconv.Itoa(max(1, each/10)), "--runs", strconv.Itoa(each)}
	for range turns {
		for _, command := range commands {
			words = append(words, session.Quote(command...))
		}
	}
	results, err := b.runHyperfine(start, words)
	if err != nil {
		return nil, err
	}
	if len(results) != turns*len(commands) {
		return nil, fmt.Errorf("hyperfine reports %d measurements of %d", len(results), turns*len(commands))
	}
	times := make([]samples, len(commands))
	for i, measured := range results {
		n := i % len(commands)
		times[n] = append(times[n], measured...)
	}
	return times, nil
}

// hyperfineAfter runs each command runs times, each time after its line of shell.
func (b *bench) hyperfineAfter(runs int, before []string, commands ...[]string) ([]samples, error) {
	words := []string{"--warmup", "1", "--runs", strconv.Itoa(runs)}
	for _, line := range before {
		words = append(words, "--prepare", session.Quote("sh", "-c", line))
	}
	for _, command := range commands {
		words = append(words, session.Quote(command...))
	}
	return b.runHyperfine(b.asUser, words)
}

// runHyperfine runs hyperfine with words and returns the times of each command.
func (b *bench) runHyperfine(start func(words ...string) *exec.Cmd, words []string) (times []samples, err error) {
	file := filepath.Join(b.own, "times.json")
	defer os.Remove(file)
	words = append([]string{"hyperfine", "-N", "--style", "none", "--export-json", file}, words...)
	var stderr bytes.Buffer
	cmd := start(words...)
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return nil, errors.New(firstLine(err, stderr.String()))
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

// firstLine returns the first line of a failed program's stderr that is not a
// warning, or the text of err.
func firstLine(err error, stderr string) string {
	for line := range strings.Lines(stderr) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "Warning") {
			return line
		}
	}
	return err.Error()
}

// asUser returns a command of the session's user. It runs in /, because the user's
// home may differ inside.
func (b *bench) asUser(words ...string) *exec.Cmd {
	cmd := b.session.Command(b.ctx, words[0], words[1:]...)
	cmd.Dir = "/"
	return cmd
}

// asRoot returns a command of the user who runs the benchmark, in the session's
// environment, so that the end of the session ends it too.
func (b *bench) asRoot(words ...string) *exec.Cmd {
	cmd := exec.CommandContext(b.ctx, words[0], words[1:]...)
	cmd.Env, cmd.Dir = b.session.Env, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 3 * time.Second
	return cmd
}

// try runs a command once and returns why it fails.
func (b *bench) try(words ...string) error {
	if _, err := exec.LookPath(words[0]); err != nil {
		return errors.New("not installed")
	}
	var stderr bytes.Buffer
	cmd := b.asUser(words...)
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("does not run here: %s", firstLine(err, stderr.String()))
	}
	return nil
}
