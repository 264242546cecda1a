package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// conditions are what the heading says besides the machine.
type conditions struct {
	mounts, added int    // mounts on the host, and how many of them were added for this
	load          string // load averages at the start
	uid, runs     int
}

// heading names the machine and the conditions.
func (c conditions) heading() string {
	var uname unix.Utsname
	unix.Uname(&uname)
	added := ""
	if c.added > 0 {
		added = fmt.Sprintf(" (%d of them added for this)", c.added)
	}
	return fmt.Sprintf("%s, %d cores, Linux %s, %s. %d mounts on the host%s, load average %s at the start. "+
		"In ms, median (fastest), and the ratio or difference of the medians (of the fastest); %d alternating runs of each launch, "+
		"by uid %d with %d visible directories in the home, in a desktop with Wayland, X11, sound and a session bus.",
		readField("/proc/cpuinfo", "model name", ":"), runtime.NumCPU(), unix.ByteSliceToString(uname.Release[:]),
		readField("/etc/os-release", "PRETTY_NAME", "="), c.mounts, added, c.load, c.runs, c.uid, visibleDirs)
}

// readLoad returns the load averages of 1, 5 and 15 minutes.
func readLoad() string {
	data, _ := os.ReadFile("/proc/loadavg")
	if f := strings.Fields(string(data)); len(f) >= 3 {
		return strings.Join(f[:3], " ")
	}
	return "unknown"
}

// readField returns the value of a name in a file of lines NAME SEPARATOR VALUE.
func readField(file, name, separator string) string {
	data, _ := os.ReadFile(file)
	for l := range bytes.Lines(data) {
		if key, value, ok := strings.Cut(string(l), separator); ok && strings.TrimSpace(key) == name {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return "unknown"
}
