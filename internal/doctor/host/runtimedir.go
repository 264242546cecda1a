package host

import (
	"context"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"chrun/internal/doctor/report"
	"chrun/session"
)

// checkRuntimeDir looks at the directory of the sockets (XDG Base Directory
// Specification, XDG_RUNTIME_DIR).
func checkRuntimeDir(_ context.Context, in *Input) []report.Check {
	c := in.Caller
	named := c.Env.Get("XDG_RUNTIME_DIR")
	values := []string{"uid", strconv.Itoa(c.UID), "user", session.Quote(c.Account.Name)}
	var st unix.Stat_t
	why := ""
	switch err := unix.Stat(named, &st); {
	case named == "" || c.UID == 0:
	case err != nil:
		why = err.Error()
	case int(st.Uid) != c.UID:
		why = fmt.Sprintf("it belongs to uid %d", st.Uid)
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		why = unix.ENOTDIR.Error()
	}
	switch {
	case why != "" && c.RuntimeDir != "":
		return []report.Check{report.Notice("host", report.Found, "runtime-dir", fmt.Sprintf("XDG_RUNTIME_DIR=%s is not used: %s; chrun uses %s", named, why, c.RuntimeDir), values...)}
	case why != "":
		return []report.Check{report.Bad("host", report.Found, "no-runtime-dir", fmt.Sprintf("XDG_RUNTIME_DIR=%s cannot be used: %s", named, why), values...)}
	}
	return nil
}
