package doctor

import (
	"os"
	"path"
	"strings"
	"time"

	"chrun/internal/doctor/inside"
	"chrun/internal/doctor/report"
	"chrun/session"
)

// explainHome returns a check that says why a launch failed, if the reason is a
// directory of the home that cannot be written; else the check of the launch.
func (o *Options) explainHome(failed report.Check) report.Check {
	found := make(chan report.Check, 1)
	go func() { // on a dead file system it never ends
		for _, dir := range o.homeDirs() {
			c := inside.CheckHome(dir, dir, o.Caller.Account.Name)
			if c.Status == report.Failed && strings.Contains(failed.Text, dir) {
				if home := o.Caller.Account.Home; c.Fault == "home-full" && strings.HasPrefix(dir, home+"/") {
					c.Values["home"] = session.Quote(home)
				}
				found <- c
				return
			}
		}
		found <- failed
	}()
	select {
	case c := <-found:
		return c
	case <-time.After(500 * time.Millisecond):
		return failed
	}
}

// homeDirs are those directories in which a launch makes files that exist.
func (o *Options) homeDirs() (dirs []string) {
	home := o.Caller.Account.Home
	candidates := []string{path.Join(home, ".local/share/chrun/homes"), path.Join(home, ".local/state/chrun"), o.Caller.Env.Get("XDG_DATA_HOME"), o.Caller.Env.Get("XDG_STATE_HOME")}
	if isDirectory(o.Flags.Home) { // one that is missing is not made
		dirs = append(dirs, o.Flags.Home)
	}
	for _, dir := range candidates {
		for ; path.IsAbs(dir) && dir != "/"; dir = path.Dir(dir) {
			if isDirectory(dir) {
				dirs = append(dirs, dir)
				break
			}
		}
	}
	return dirs
}

func isDirectory(name string) bool {
	st, err := os.Stat(name)
	return path.IsAbs(name) && err == nil && st.IsDir()
}
