package menu

import (
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// profileLocks says where programs that do not use the bus for it mark a profile as
// in use, below the home: a symlink whose target ends with the process ID (Mozilla:
// nsProfileLock, Chromium: ProcessSingleton). Other programs made with Electron use
// .config/PROGRAM.
func profileLocks() map[string]string {
	return map[string]string{
		"firefox": ".mozilla/firefox/*/lock", "firefox-esr": ".mozilla/firefox/*/lock", "firefox-bin": ".mozilla/firefox/*/lock",
		"thunderbird": ".thunderbird/*/lock", "thunderbird-bin": ".thunderbird/*/lock",
		"chromium": ".config/chromium/SingletonLock", "chromium-browser": ".config/chromium/SingletonLock",
		"google-chrome": ".config/google-chrome/SingletonLock", "google-chrome-stable": ".config/google-chrome/SingletonLock",
		"brave-browser": ".config/BraveSoftware/Brave-Browser/SingletonLock", "microsoft-edge": ".config/microsoft-edge/SingletonLock",
		"vivaldi-stable": ".config/vivaldi/SingletonLock", "code": ".config/Code/SingletonLock", "slack": ".config/Slack/SingletonLock",
		"signal-desktop": ".config/Signal/SingletonLock", "element-desktop": ".config/Element/SingletonLock",
	}
}

// findProfileLock returns the warning about a process that uses the program's
// profile in l.Home and is not in the tree of l, or "".
func findProfileLock(l Launch) string {
	if l.Home == "" || len(l.Command) == 0 {
		return ""
	}
	program := path.Base(l.Command[0])
	pattern := profileLocks()[program]
	if pattern == "" {
		pattern = ".config/" + program + "/SingletonLock"
	}
	locks, _ := filepath.Glob(string(l.Home.Join(pattern)))
	for _, lock := range locks {
		if pid := ownerOfLock(lock, program); pid > 0 {
			if text := describeInstance(program, pid, l); text != "" {
				return text
			}
		}
	}
	return ""
}

// ownerOfLock returns the process that holds a lock, or 0 if it has ended: its
// number may belong to another program since.
func ownerOfLock(lock, program string) int {
	target, err := os.Readlink(lock)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(target[strings.LastIndexAny(target, "+-:")+1:])
	if err != nil || pid <= 0 {
		return 0
	}
	const maxCommandLine = 1 << 20
	line, err := rootfs.ReadHost(session.HostPath("/proc/"+strconv.Itoa(pid)+"/cmdline"), maxCommandLine, 0)
	stem, _, _ := strings.Cut(program, "-")
	if err != nil || !strings.Contains(strings.ToLower(string(line)), stem) {
		return 0
	}
	return pid
}
