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

// fewest is the least number of runs of a command that takes long.
const fewest = 10

// hyperfine runs each command at least runs times and returns their times, in the
// order of the commands. start makes hyperfine's own command, which determines the
// user and the namespaces of the commands.
func (b *bench) hyperfine(start func(words ...string) *exec.Cmd, runs int, commands ...[]string) ([]samples, error) {
	words := []string{"--runs", "1"}
	for _, command := range thereAndBack(commands) {
		words = append(words, session.Quote(command...))
	}
	// No command uses the parameter. hyperfine runs all commands for each value.
	var turns []string
	for i := range 1 + (runs+1)/2 { // the first is the warm-up
		turns = append(turns, strconv.Itoa(i))
	}
	results, err := b.runHyperfine(start, append(words, "--parameter-list", "turn", strings.Join(turns, ",")))
	if err != nil {
		return nil, err
	}
	if len(results) != 2*len(turns)*len(commands) {
		return nil, fmt.Errorf("hyperfine reports %d measurements of %d", len(results), 2*len(turns)*len(commands))
	}
	return merge(results[2*len(commands):], len(commands)), nil
}

// thereAndBack returns the commands of a turn: each once, and again in reverse order,
// so that no command always runs after the same one.
func thereAndBack(commands [][]string) [][]string {
	back := slices.Clone(commands)
	slices.Reverse(back)
	return slices.Concat(commands, back)
}

// merge returns the samples of each command from the results of whole turns.
func merge(results []samples, commands int) []samples {
	times := make([]samples, commands)
	for i, measured := range results {
		n := i % (2 * commands)
		if n >= commands {
			n = 2*commands - 1 - n
		}
		times[n] = append(times[n], measured...)
	}
	return times
}

// hyperfineAfter runs the commands in turn, runs times, each after its line of shell.
func (b *bench) hyperfineAfter(runs int, before []string, commands ...[]string) ([]samples, error) {
	words := []string{"--runs", "1"}
	for range 1 + runs { // the first is the warm-up
		for i, command := range commands {
			words = append(words, "--prepare", session.Quote("sh", "-c", before[i]), session.Quote(command...))
		}
	}
	results, err := b.runHyperfine(b.asUser, words)
	if err != nil {
		return nil, err
	}
	times := make([]samples, len(commands))
	for i, measured := range results[len(commands):] {
		times[i%len(commands)] = append(times[i%len(commands)], measured...)
	}
	return times, nil
}

// runHyperfine runs hyperfine with words and returns the times of each command. They
// have a short name, because hyperfine writes all results again after each command.
func (b *bench) runHyperfine(start func(words ...string) *exec.Cmd, words []string) (times []samples, err error) {
	file := filepath.Join(b.results, "times.json")
	defer os.Remove(file)
	words = append([]string{"hyperfine", "-N", "--style", "none", "--command-name", "-", "--export-json", file}, words...)
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
	// chrun run by root takes HOME from the account, and its directories from these.
	cmd.Env, cmd.Dir = slices.Clone(b.session.Env), "/"
	for name, dir := range map[string]string{"CONFIG": ".config", "DATA": ".local/share", "CACHE": ".cache", "STATE": ".local/state"} {
		cmd.Env = append(cmd.Env, "XDG_"+name+"_HOME="+filepath.Join(b.home, dir))
	}
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
