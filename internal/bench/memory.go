package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// memory measures the memory of the processes that stay while a program runs,
// without the program itself.
func (b *bench) memory(t *table) error {
	const margin, limit = 4 * mib, 3 * mib
	const whatShare = "share of memory of the processes beside the program (PSS)"
	if b.bwrap == nil {
		t.skip(whatShare, "bwrap", "≤ 3 MiB", errors.New("is missing or does not run here"))
		return nil
	}
	var peak, share [2]samples
	for range 5 {
		for i, command := range [][]string{b.launch("sleep", "60"), b.bwrap.run("sleep", "60")} {
			p, s, err := b.measureOthers(command)
			if err != nil {
				return err
			}
			peak[i] = append(peak[i], p)
			if s > 0 {
				share[i] = append(share[i], s)
			}
		}
	}
	if len(share[0]) > 0 && len(share[1]) > 0 {
		t.size(whatShare, "bwrap", limit, share[0], share[1])
	}
	t.difference("their peak memory (VmHWM)", "bwrap", margin, peak[0], peak[1])
	return nil
}

// measureOthers runs a command whose program is sleep and returns the bytes that
// its other processes use: their peak, and their proportional share.
func (b *bench) measureOthers(words []string) (peak, share float64, err error) {
	cmd := b.asUser(words...)
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	defer func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		cmd.Wait()
	}()
	var others []int
	for deadline := time.Now().Add(10 * time.Second); ; {
		asleep := false
		others = others[:0]
		for _, pid := range processTree(cmd.Process.Pid) {
			if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(name) == "sleep\n" {
				asleep = true
			} else {
				others = append(others, pid)
			}
		}
		if asleep {
			break
		}
		if time.Now().After(deadline) || b.ctx.Err() != nil {
			return 0, 0, fmt.Errorf("%s did not start sleep", words[0])
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(500 * time.Millisecond) // chrun gives memory back when the program has run for a moment
	for _, pid := range others {
		peak += readKilobytes(pid, "status", "VmHWM")
		share += readKilobytes(pid, "smaps_rollup", "Pss")
	}
	return peak, share, nil
}

var parentField = regexp.MustCompile(`(?m)^PPid:\s+(\d+)$`)

// processTree returns a process and its descendants.
func processTree(root int) []int {
	children := map[int][]int{}
	files, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, file := range files {
		data, _ := os.ReadFile(file)
		if found := parentField.FindSubmatch(data); found != nil {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			ppid, _ := strconv.Atoi(string(found[1]))
			children[ppid] = append(children[ppid], pid)
		}
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// readKilobytes reads a field in kB from /proc/PID/FILE and returns bytes, or 0 if
// it cannot.
func readKilobytes(pid int, file, field string) float64 {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	for line := range bytes.Lines(data) {
		if rest, ok := bytes.CutPrefix(line, []byte(field+":")); ok {
			n, _ := strconv.Atoi(string(bytes.Fields(rest)[0]))
			return float64(n) * 1024
		}
	}
	return 0
}
