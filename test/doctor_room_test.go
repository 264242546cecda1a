package test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chrun/internal/doctor/report"
	"chrun/internal/headless"
	"chrun/session"
)

// room is a mount namespace in which the host is broken on purpose. It has a directory
// with a tmpfs, and a chroot there that can be changed.
type room struct {
	d     *desk
	t     *testing.T
	dir   string // $D
	tree  string // $D/tree: the tests' chroot under a writable layer
	env   []string
	enter []string // the start of a command line in the room
}

// openRoom makes a room and runs a script of root's in it.
func (d *desk) openRoom(t *testing.T, setup string) *room {
	t.Helper()
	dir := headless.Dir(t, d.User)
	r := &room{d: d, t: t, dir: dir, tree: filepath.Join(dir, "tree"), env: append(slices.Clone(d.Env), "D="+dir, "CHROOT="+d.chroot, "USERNAME="+d.User.Name)}
	for i := range r.env {
		r.env[i] = strings.ReplaceAll(r.env[i], "$D", dir)
	}
	const prepare = `set -e
mount -t tmpfs -o mode=755 tmpfs $D
mkdir $D/tree $D/up $D/work
mount -t overlay -o lowerdir=$CHROOT,upperdir=$D/up,workdir=$D/work overlay $D/tree
`
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", prepare+setup+"\necho ready\nexec cat")
	cmd.Env, cmd.Stderr = r.env, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
	}
	if lines.Text() != "ready" {
		t.Fatalf("the room cannot be made: %s", setup)
	}
	r.enter = []string{"nsenter", "--mount", "--target", strconv.Itoa(cmd.Process.Pid)}
	return r
}

// run runs words in the room, as the user or as root.
func (r *room) run(asRoot bool, words ...string) result {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	line := slices.Clone(r.enter)
	if !asRoot {
		line = append(line, asUser(r.d.User)...)
	}
	line = append(line, words...)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Env, cmd.Dir = r.env, "/"
	if asRoot {
		cmd.Env = append(r.d.sudoEnv(), "D="+r.dir, "CHROOT="+r.d.chroot)
	}
	return runCommand(cmd)
}

// doctor runs chrunctl doctor as the user. TREE and $D in words are replaced.
func (r *room) doctor(words ...string) report.Report {
	r.t.Helper()
	words = slices.Clone(words)
	for i := range words {
		words[i] = strings.NewReplacer("TREE", r.tree, "$D", r.dir).Replace(words[i])
	}
	return readReport(r.t, r.run(false, append([]string{chrunctlProgram, "doctor", "--json"}, words...)...))
}

// typeLine types a command of the doctor's. After sudo, root runs it.
func (r *room) typeLine(line string) {
	r.t.Helper()
	line, asRoot := strings.CutPrefix(line, "sudo ")
	for name, program := range map[string]string{"chrun ": chrunProgram, "chrunctl ": chrunctlProgram} {
		if rest, ok := strings.CutPrefix(line, name); ok {
			line = session.Quote(program) + " " + rest
		}
	}
	if res := r.run(asRoot, "sh", "-c", line); res.err != nil {
		r.t.Errorf("%s: %+v", line, res)
	}
}

// find returns the check of a row with a fault.
func find(rep report.Report, row, fault string) (report.Check, bool) {
	i := slices.IndexFunc(rep.Checks, func(c report.Check) bool { return c.Feature == row && c.Fault == fault })
	if i < 0 {
		return report.Check{}, false
	}
	return rep.Checks[i], true
}

// wantNote checks that nothing failed, and that a row has a note because of fault. It
// returns the command.
func wantNote(t *testing.T, rep report.Report, row, fault string) string {
	t.Helper()
	c, ok := find(rep, row, fault)
	if !ok || c.Status != report.Note {
		t.Errorf("%s has no note of %s: %+v", row, fault, rep.Checks)
	}
	if f := failures(rep); len(f) > 0 {
		t.Errorf("failed: %s", strings.Join(f, "\n"))
	}
	return c.Command
}

// roomCase is a fault that is made in a room.
type roomCase struct {
	name, setup string
	words       []string // of doctor; TREE is the chroot
	row, fault  string
	also        []string // rows that fail with it
	command     string   // the doctor's; D is the room's directory, * is anything
	mend        string   // does in a copy what the command does on a real host
}

// check makes the fault, reads the doctor's report, types what it says, and wants the
// row to be good then.
func (c *roomCase) check(t *testing.T, d *desk) {
	r := d.openRoom(t, c.setup)
	rep := r.doctor(c.words...)
	command := wantFault(t, rep, c.row, c.fault, c.also...)
	want := strings.NewReplacer("$D", r.dir, "USERNAME", d.User.Name).Replace(c.command)
	if start, end, any := strings.Cut(want, "*"); command != want && (!any || !strings.HasPrefix(command, start) || !strings.HasSuffix(command, end)) {
		t.Errorf("the command is %q, want %q", command, want)
	}
	if c.mend != "" {
		command = "sudo sh -ec " + session.Quote(c.mend)
	}
	r.typeLine(command)
	if rep := r.doctor(c.words...); len(failures(rep)) > 0 {
		t.Errorf("after %s:\n%s", command, strings.Join(failures(rep), "\n"))
	}
}

// noteCase is something that a person should know, though all works.
type noteCase struct {
	name, setup string
	row, fault  string
	command     string
	mend        string
}

// check makes what should be known, types what the doctor says, and wants it to be gone.
func (c *noteCase) check(t *testing.T, d *desk) {
	r := d.openRoom(t, c.setup)
	r.env = append(slices.Clone(r.env), "PATH="+r.dir+"/bin:"+d.Getenv("PATH"))
	words := []string{r.tree}
	if c.fault == "export-stale" {
		words = []string{"box"}
	}
	command := wantNote(t, r.doctor(words...), c.row, c.fault)
	want := strings.ReplaceAll(c.command, "$D", r.dir)
	if start, end, _ := strings.Cut(want, "*"); !strings.HasPrefix(command, start) || !strings.HasSuffix(command, end) {
		t.Errorf("the command is %q, want %q", command, want)
	}
	if c.mend != "" {
		command = "sudo sh -ec " + session.Quote(c.mend)
	}
	r.typeLine(command)
	if check, still := find(r.doctor(words...), c.row, c.fault); still {
		t.Errorf("after %s: %+v", command, check)
	}
}
