package inside

import (
	"context"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/internal/doctor/report"
)

// probeTerminal looks whether the chroot knows the terminal, and makes a terminal as
// terminal programs do.
func probeTerminal(_ context.Context, in *Input, add func(...report.Check)) {
	const row = "terminal"
	number, err := openTerminal()
	if err != nil {
		add(report.Bad(row, report.Reachable, "no-pty", "no new terminal can be made: "+err.Error()))
		return
	}
	add(report.Good(row, report.Answers, fmt.Sprintf("new terminals can be made (/dev/pts/%d)", number)))
	term := in.Env.Get("TERM")
	if term == "" || term == "dumb" || term[0] == '.' || strings.Contains(term, "/") {
		return
	}
	shown := term[:min(len(term), 40)]
	switch dir := findTerminfo(in, term); {
	case dir != "":
		add(report.Good(row, report.Reachable, shown+" is known ("+dir+"); new terminals can be made"))
	case hasLibrary("libtinfo.so.6", "libtinfo.so.5", "libncursesw.so.6", "libncurses.so.6", "libtinfow.so.6", "libncursesw.so.5"):
		add(report.Bad(row, report.Reachable, "no-terminfo", "neither the chroot nor the host knows the terminal "+shown, "term", in.knownTerminal()))
	}
}

// knownTerminal is a kind of terminal that nearly all others are like and that is known.
func (in *Input) knownTerminal() string {
	for _, name := range []string{"xterm-256color", "xterm", "vt100"} {
		if findTerminfo(in, name) != "" {
			return name
		}
	}
	return "dumb"
}

// openTerminal makes a terminal and closes it (ptmx(4)).
func openTerminal() (number int, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return 0, fmt.Errorf("/dev/ptmx: %w", err)
	}
	defer unix.Close(fd)
	if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return 0, fmt.Errorf("/dev/ptmx: %w", err)
	}
	if number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN); err != nil {
		return 0, fmt.Errorf("/dev/ptmx: %w", err)
	}
	slave := fmt.Sprintf("/dev/pts/%d", number)
	end, err := unix.Open(slave, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", slave, err)
	}
	unix.Close(end)
	return number, nil
}

// findTerminfo returns the directory with the description of a terminal, "" if there is
// none (ncurses(3), ENVIRONMENT).
func findTerminfo(in *Input, term string) string {
	dirs := []string{in.Env.Get("TERMINFO"), path.Join(in.Home, ".terminfo")}
	dirs = append(dirs, strings.Split(in.Env.Get("TERMINFO_DIRS"), ":")...)
	dirs = append(dirs, "/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo", "/usr/local/share/terminfo")
	for _, dir := range dirs[:min(len(dirs), 50)] {
		if !path.IsAbs(dir) {
			continue
		}
		for _, sub := range []string{term[:1], fmt.Sprintf("%02x", term[0])} {
			data, err := readRegular(path.Join(dir, sub, term), 2)
			if err == nil && (string(data) == "\x1a\x01" || string(data) == "\x1e\x02") { // term(5)
				return dir
			}
		}
	}
	return ""
}
