package homereport

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/account"
)

// A launch with a temporary home sends it; one that fails does not.
func TestTemporary(t *testing.T) {
	dir := t.TempDir()
	home := dir + "/home"
	plan := &session.Plan{Home: session.Home{Mode: session.HomeTemporary, Dir: "home"}, Identity: session.Identity{Kind: session.Match, InsideUID: 1717},
		Tmpfs: []session.Node{{Path: "home", Kind: session.Dir}, {Path: "home/a", Kind: session.Symlink}, {Path: "home/gone", Kind: session.Symlink}, {Path: "home/src", Kind: session.Dir}}}
	begin := func() *Report {
		return Begin(plan, &session.Caller{Account: account.Account{Home: home}}, home+"/state", false)
	}
	if r := begin(); len(r.Earlier())+len(r.End()) > 0 {
		t.Error("a launch that failed has left something")
	}
	own := dir + "/own"
	if err := errors.Join(os.MkdirAll(own+"/src", 0o755), os.WriteFile(own+"/a", []byte("new"), 0o600), os.Symlink("/run/host"+home+"/x", own+"/x")); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"~/state/kept/a", "~/state/kept/a.1"} {
		r := begin()
		fd, err := unix.Open(own, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err = errors.Join(err, unix.Sendmsg(r.HomeSockets()[1], []byte{0}, unix.UnixRights(fd), nil, 0)); err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		messages := r.End()
		if len(messages) != 1 || messages[0].Text != "~/a was replaced in the temporary home: yours is unchanged, and the new one is "+want ||
			messages[0].Hint != "to replace yours by it: mv "+want+" ~/a; to remove it: rm "+want {
			t.Errorf("%d: %+v", i, messages)
		}
	}
	if data, err := os.ReadFile(filepath.Join(home, "state/kept/a.1")); err != nil || string(data) != "new" {
		t.Errorf("%q, %v", data, err)
	}
}
