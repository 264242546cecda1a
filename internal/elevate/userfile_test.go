package elevate

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/internal/cli"
)

// identity=idmap in the user's own file works, for a tree of root's that everybody
// can reach. For another one, root wants to hear it on the command line.
func TestConfiguredIdmap(t *testing.T) {
	c, u, other := decideWorld(t)
	tree, err := os.MkdirTemp("/run", "chrun-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(tree) })
	home := t.TempDir()
	u.Home = home
	write := func(p, text string) {
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	write(tree+"/etc/passwd", "root:x:0:0::/root:/bin/sh\nbob:x:54321:54321::/home/bob:/bin/sh\nme:x:1:1::/:/bin/sh\n")
	if err := errors.Join(os.Mkdir(tree+"/usr", 0o755), os.Chmod(tree, 0o755), os.Chmod(home, 0o755), os.Chmod(filepath.Dir(home), 0o755)); err != nil {
		t.Fatal(err)
	}
	configure := func(path, settings string) {
		write(home+"/.config/chrun/chroots/mine.toml", "path = \""+path+"\"\n"+settings)
	}
	configure(tree, "identity = \"idmap\"\nuser = \"bob\"\n")
	for _, args := range [][]string{{"-c", "mine", "ls"}, {"-c", tree, "ls"}, {"ls"}} {
		call := c(args...)
		call.System = t.TempDir()
		choice, err := as(u).configuredIdmap(call)
		if err != nil || choice == nil || string(choice.Path) != tree {
			t.Fatalf("%q: %+v, %v", args, choice, err)
		}
		fd, err := as(u).idmapTree(call, choice, false)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
	}
	// The file cannot name the number of another user of the host.
	configure(tree, "identity = \"idmap\"\nuser = \"1\"\n")
	if choice, err := as(u).configuredIdmap(c("-c", "mine")); err != nil || choice == nil {
		t.Error(choice, err)
	} else if fd, err := as(u).idmapTree(c("-c", "mine"), choice, false); err == nil || !strings.Contains(err.Error(), "uid 1 belongs to daemon on the host") {
		t.Error(fd, err)
	}
	configure(tree, "identity = \"match\"\n")
	if choice, err := as(u).configuredIdmap(c("-c", "mine", "ls")); choice != nil || err != nil {
		t.Error(choice, err)
	}
	closed := tree + "/closed"
	if err := errors.Join(os.MkdirAll(closed+"/tree/usr", 0o755), os.Chmod(closed, 0o700), os.Symlink(tree, tree+"/link")); err != nil {
		t.Fatal(err)
	}
	for path, why := range map[string]string{other: "users other than root can replace ", closed + "/tree": "not everybody may enter " + closed,
		"/": "/ is not a directory of its own", tree + "/link": tree + "/link is not a directory of its own", "/no/such": "/no/such is not a directory of its own"} {
		configure(path, "identity = \"idmap\"\nuser = \"bob\"\n")
		choice, err := as(u).configuredIdmap(c("-c", "mine", "ls", "-l"))
		if choice != nil || err == nil || !strings.HasPrefix(err.Error(), "cannot use --identity=idmap: a file of "+u.Name+"'s asks for it, and "+why) ||
			strings.Join(cli.Hints(err), "") != "to say it yourself: sudo chrun -c "+path+" --identity=idmap -u bob ls -l" {
			t.Errorf("%s: %+v, %v, %q", path, choice, err, cli.Hints(err))
		}
	}
}
