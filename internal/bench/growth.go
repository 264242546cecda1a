package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
)

// growthCommands returns the commands whose growth is compared, chrun's first.
func (b *bench) growthCommands() (names []string, commands [][]string) {
	names, commands = []string{"chrun"}, [][]string{b.launch("/bin/true")}
	if b.bwrap != nil {
		names, commands = append(names, "bwrap"), append(commands, b.bwrap.run("/bin/true"))
	}
	if b.try(b.unshare("/bin/true")...) == nil {
		names, commands = append(names, "unshare"), append(commands, b.unshare("/bin/true"))
	}
	return names, commands
}

// mounts measures how the time of a launch grows with the host's mounts. They are
// made in the measurement's own mount namespace.
func (b *bench) mounts(t *table) error {
	const most = 1000
	at, err := mountPoint(b.chroot)
	if err != nil {
		return err
	}
	names, commands := b.growthCommands()
	for _, count := range []int{b.conditions.mounts, 100, 300, most} {
		if count < b.conditions.mounts {
			continue
		}
		start := b.inNamespace(addMounts, at, strconv.Itoa(count-b.conditions.mounts))
		times, err := b.hyperfine(start, max(fewest, b.runs*2/5), commands...)
		if err != nil {
			return fmt.Errorf("%d mounts: %w", count, err)
		}
		t.grow("mounts on the host, one launch", count, names, times)
		if count == most && b.bwrap != nil {
			t.ratio(fmt.Sprintf("the same with %d mounts on the host", most), "bwrap with the same binds", 0.2, times[0], times[1])
		}
	}
	return nil
}

// startTogether starts a command count times and waits for all. hyperfine runs it. A
// shell would need more than a millisecond to start each, which would count, too.
func startTogether(count int, words []string) error {
	program, err := exec.LookPath(words[0])
	if err != nil {
		return err
	}
	var started []*exec.Cmd
	for range count {
		cmd := exec.Command(program, words[1:]...)
		if err = cmd.Start(); err != nil {
			break
		}
		started = append(started, cmd)
	}
	for _, cmd := range started {
		err = errors.Join(err, cmd.Wait())
	}
	return err
}

// parallelLaunches measures the time until the last of many launches that start
// together has ended.
func (b *bench) parallelLaunches(t *table) error {
	const most = 100
	names, commands := b.growthCommands()
	for _, count := range []int{10, most} {
		var starters [][]string
		for _, command := range commands {
			starters = append(starters, append([]string{b.bench, "-together", strconv.Itoa(count)}, command...))
		}
		times, err := b.hyperfine(b.asUser, max(fewest, b.runs/max(6, count/4)), starters...)
		if err != nil {
			return err
		}
		t.grow("launches at once, until the last has ended", count, names, times)
		if count == most && b.bwrap != nil {
			t.ratio(fmt.Sprintf("%d launches at once", most), "bwrap with the same binds", 0.7, times[0], times[1])
		}
	}
	return nil
}
