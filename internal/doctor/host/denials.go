package host

import (
	"context"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/internal/doctor/report"
	"chrun/session"
)

// denial is what a security module has refused.
type denial struct {
	module          string // AppArmor or SELinux
	profile, target string // SELinux: the contexts
	program         string // the name of the process, cut to 15 bytes
	name            string // of the file, or what was refused
}

// parseDenial reads a line of the kernel's log.
func parseDenial(line string) (d denial, ok bool) {
	value := func(name string) string {
		_, rest, found := strings.Cut(line, " "+name+"=")
		if !found {
			return ""
		}
		if quoted, isQuoted := strings.CutPrefix(rest, `"`); isQuoted {
			text, _, _ := strings.Cut(quoted, `"`)
			return text
		}
		text, _, _ := strings.Cut(rest, " ")
		return strings.TrimSpace(text)
	}
	switch {
	case strings.Contains(line, `apparmor="DENIED"`):
		d = denial{module: "AppArmor", profile: value("profile"), target: value("operation")}
	case strings.Contains(line, "avc:  denied"):
		_, rest, _ := strings.Cut(line, "{ ")
		what, _, _ := strings.Cut(rest, " }")
		d = denial{module: "SELinux", profile: value("scontext"), target: what}
	default:
		return d, false
	}
	d.program = value("comm")
	for _, key := range []string{"name", "path", "capname"} {
		if d.name == "" {
			d.name = value(key)
		}
	}
	return d, true
}

// concerns reports whether a denial is about chrun, the program or the tree.
func (d *denial) concerns(in *Input) bool {
	program := path.Base(in.Command)
	if len(program) > 15 {
		program = program[:15]
	}
	tree := string(in.tree())
	return d.program == "chrun" || d.program == "chrunctl" || d.program == "chrunctl-doctor" || in.Command != "" && d.program == program ||
		strings.Contains(d.profile, "chrun") || tree != "" && strings.HasPrefix(d.name, tree+"/")
}

// checkDenials looks for denials since the machine's start, where the caller may read
// the log.
func checkDenials(ctx context.Context, in *Input) []report.Check {
	last, count := denial{}, 0
	for line := range kernelLog(ctx) {
		if d, ok := parseDenial(line); ok && d.concerns(in) {
			last, count = d, count+1
		}
	}
	switch {
	case count == 0:
		return nil
	case last.module == "AppArmor" && last.profile == "unprivileged_userns":
		return nil // the check of user namespaces names the switch
	}
	text := fmt.Sprintf("%s refuses %s: %s %s", last.module, last.program, last.target, last.name)
	if count > 1 {
		text += fmt.Sprintf(" (%d refusals since the start)", count)
	}
	if last.module == "AppArmor" {
		return []report.Check{report.Notice("host", report.Allowed, "apparmor-denied", strings.TrimSpace(text), "profile", session.Quote(last.profile))}
	}
	return []report.Check{report.Notice("host", report.Allowed, "selinux-denied", strings.TrimSpace(text), "program", session.Quote(last.program))}
}

// kernelLog returns the records of the kernel's log, none if it may not be read
// (kernel.dmesg_restrict).
func kernelLog(ctx context.Context) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return
		}
		defer unix.Close(fd)
		record := make([]byte, 8192) // the kernel's limit of a record
		for i := 0; i < 100000 && ctx.Err() == nil; i++ {
			n, err := unix.Read(fd, record)
			if err == unix.EPIPE || err == unix.EINTR {
				continue // it was overwritten
			}
			if err != nil || n <= 0 || !yield(string(record[:n])) {
				return
			}
		}
	}
}
