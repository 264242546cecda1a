package export

import (
	"cmp"
	"os"
	"path"
	"path/filepath"
	"strings"

	"chrun/desktop/export/mime"
	"chrun/session"
	"chrun/session/config"
)

// NewHost describes the desktop of a caller. launcher is the path of chrun;
// BusNameOwned is left to the caller of NewHost.
func NewHost(c *session.Caller, launcher string) *Host {
	home, env := c.Account.Home, c.Env
	dir := func(name, fallback string) string {
		if d := env.Get(name); path.IsAbs(d) {
			return path.Clean(d)
		}
		return path.Join(home, fallback)
	}
	dirs := func(name, fallback string) (list []string) {
		for _, d := range strings.Split(cmp.Or(env.Get(name), fallback), ":") {
			if path.IsAbs(d) {
				list = append(list, path.Clean(d))
			}
		}
		return list
	}
	h := &Host{
		Home: home, StateDir: config.UserStateDir(env.Get("XDG_STATE_HOME"), home), BinDir: path.Join(home, ".local/bin"),
		Dirs: mime.Dirs{
			ConfigHome: dir("XDG_CONFIG_HOME", ".config"), ConfigDirs: dirs("XDG_CONFIG_DIRS", "/etc/xdg"),
			DataHome: dir("XDG_DATA_HOME", ".local/share"), DataDirs: dirs("XDG_DATA_DIRS", "/usr/local/share:/usr/share"),
			Path: env.Get("PATH"),
		},
		RuntimeDir: string(c.RuntimeDir), Launcher: launcher,
		Locale: cmp.Or(env.Get("LC_ALL"), env.Get("LC_MESSAGES"), env.Get("LANG")),
	}
	for _, d := range strings.Split(env.Get("XDG_CURRENT_DESKTOP"), ":") {
		if d != "" {
			h.Desktops = append(h.Desktops, d)
		}
	}
	return h
}

// CheckMenuOwner returns an error if a user has called root with sudo, because the
// menu would be root's. args is the command line, for the hint.
func CheckMenuOwner(c *session.Caller, args []string) error {
	if uid := c.Env.Get("SUDO_UID"); c.UID == 0 && uid != "" && uid != "0" {
		return &Error{"change", "the menu", "with sudo it would be root's menu", "without sudo: chrunctl " + session.Quote(args...)}
	}
	return nil
}

// FindLauncher finds the chrun that belongs to the program at executable: the
// one next to it, under the name that the search path has for it, or else the first
// on the search path.
func FindLauncher(executable, searchPath string) (string, error) {
	beside := ""
	if executable != "" {
		beside = filepath.Join(filepath.Dir(executable), "chrun")
	}
	st, err := os.Stat(beside)
	for _, dir := range filepath.SplitList(searchPath) {
		p := filepath.Join(dir, "chrun")
		if at, e := os.Stat(p); path.IsAbs(p) && e == nil && !at.IsDir() && (err != nil || os.SameFile(st, at)) {
			return p, nil
		}
	}
	if err != nil {
		return "", &Error{"export", "entries", "chrun is neither next to chrunctl nor on PATH", "sudo make install"}
	}
	return beside, nil
}

// BinDirOnPath reports whether a search path has BinDir, so that commands there
// are found.
func (h *Host) BinDirOnPath(searchPath string) bool {
	for _, d := range filepath.SplitList(searchPath) {
		if filepath.Clean(d) == h.BinDir {
			return true
		}
	}
	return false
}
