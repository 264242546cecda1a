package test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chrun/internal/headless"
)

// workshop is where chrunctl makes trees: a mount namespace in which the test user
// has subordinate IDs that nobody else uses, an empty /var/tmp, and a home that only
// the user can enter. Root's chrunctl has its own /etc and /var/lib there.
type workshop struct {
	t      *testing.T
	user   headless.User
	home   string
	holder int // a process in the namespace
}

const countIDs = 65536

// firstID begins the test user's subordinate IDs in a workshop: others than those of
// a test that runs at the same time.
var firstID = 700000000 + countIDs*(os.Getpid()%4000)

func openWorkshop(t *testing.T) *workshop {
	t.Helper()
	headless.Root(t)
	u, err := headless.TestUser()
	headless.Must(t, "root", err)
	dir := headless.Dir(t, u)
	w := &workshop{t: t, user: u, home: filepath.Join(dir, "home")}
	if err := errors.Join(os.Mkdir(w.home, 0o700), os.Chown(w.home, u.UID, u.GID)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { exec.Command("rm", "-rf", "--one-file-system", w.home).Run() })
	script := fmt.Sprintf(`set -e
mount -t tmpfs -o mode=1777 tmpfs /var/tmp
mount -t tmpfs -o mode=0755 tmpfs /var/lib
mkdir /var/tmp/upper /var/tmp/work
mount -t overlay -o lowerdir=/etc,upperdir=/var/tmp/upper,workdir=/var/tmp/work overlay /etc
mount -t tmpfs -o mode=1777 tmpfs /var/tmp
echo %[1]s:%[2]d:%[3]d >/etc/subuid
echo %[1]s:%[2]d:%[3]d >/etc/subgid
echo ready
exec sleep 3600
`, u.Name, firstID, countIDs)
	holder := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", script)
	holder.Stderr = os.Stderr
	out, err := holder.StdoutPipe()
	if err == nil {
		err = holder.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { holder.Process.Kill(); holder.Wait() })
	if n, err := out.Read(make([]byte, 6)); n != 6 {
		t.Fatal("the workshop is not ready: ", err)
	}
	w.holder = holder.Process.Pid
	return w
}

// asRoot returns a command that root runs in the workshop.
func (w *workshop) asRoot(ctx context.Context, words ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--mount", "--target", strconv.Itoa(w.holder)}, words...)...)
	cmd.Env = []string{"HOME=" + filepath.Dir(w.home) + "/root", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}
	cmd.Dir, cmd.WaitDelay = "/", 3*time.Second
	return cmd
}

// command returns a command that the user runs in the workshop.
func (w *workshop) command(ctx context.Context, words ...string) *exec.Cmd {
	cmd := w.asRoot(ctx, append(asUser(w.user), words...)...)
	cmd.Env = append(cmd.Env, "HOME="+w.home)
	return cmd
}

// chrunctl runs chrunctl as the user.
func (w *workshop) chrunctl(words ...string) result {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return runCommand(w.command(ctx, append([]string{chrunctlProgram}, words...)...))
}

func (w *workshop) tree(name string) string {
	return filepath.Join(w.home, ".local/share/chrun/trees", name)
}

// seen returns the path at which the test sees what p names in the workshop.
func (w *workshop) seen(p string) string {
	return filepath.Join("/proc", strconv.Itoa(w.holder), "root", p)
}

// exists reports whether the workshop has a file.
func (w *workshop) exists(p string) bool {
	_, err := os.Lstat(w.seen(p))
	return err == nil
}

// judge runs testdata/trees.py as root.
func (w *workshop) judge(words ...string) string {
	w.t.Helper()
	r := runCommand(w.asRoot(w.t.Context(), append([]string{"python3", absolutePath(w.t, "testdata/trees.py")}, words...)...))
	if r.err != nil {
		w.t.Fatalf("trees.py %q: %v\n%s", words, r.err, r.stderr)
	}
	return r.stdout
}

func absolutePath(t *testing.T, file string) string {
	t.Helper()
	p, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// wantClean checks that nothing of a creation is left: no half-made tree, no
// temporary file, no record, and no process of the subordinate IDs.
func (w *workshop) wantClean(what string) {
	w.t.Helper()
	if list := w.processes(); len(list) > 0 {
		w.t.Errorf("%s: processes are left: %q", what, list)
	}
	r := runCommand(w.asRoot(w.t.Context(), "sh", "-c", `ls -A /var/tmp; find "$0" -name '.*.creating' -o -name '.*.removing' -o -path '*/growing/*'`, filepath.Dir(w.home)))
	if r.stdout+r.stderr != "" {
		w.t.Errorf("%s: files are left:\n%s%s", what, r.stdout, r.stderr)
	}
}

// processes returns the names of the processes with the subordinate IDs of the
// workshop, and those of chrunctl and its programs.
func (w *workshop) processes() (list []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, file := range files {
		data, _ := os.ReadFile(file)
		name, rest, _ := strings.Cut(strings.TrimPrefix(string(data), "Name:\t"), "\n")
		_, ids, _ := strings.Cut(rest, "\nUid:\t")
		first, _, _ := strings.Cut(ids, "\t")
		id, _ := strconv.Atoi(first)
		if strings.Contains(rest, "State:\tZ") {
			continue
		}
		if id >= firstID && id < firstID+countIDs {
			list = append(list, name)
		}
	}
	return list
}

// makeMembers makes an archive with every kind of member, and the tree that GNU tar
// makes of it as root.
func (w *workshop) makeMembers() (archive, want string) {
	w.t.Helper()
	dir := filepath.Join(filepath.Dir(w.home), "members")
	archive, want = dir+".tar", dir+".want"
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Mkdir(want, 0o755)); err != nil {
		w.t.Fatal(err)
	}
	w.judge("members", dir, strconv.Itoa(w.user.UID))
	for _, words := range [][]string{
		{"--format=posix", "--sparse", "--xattrs", "--xattrs-include=*", "--acls", "-C", dir, "-cf", archive, "."},
		// A directory and a file of it come twice, the second time with other attributes.
		{"--append", "--no-recursion", "--owner=:3", "--group=:4", "--mode=2751", "--mtime=@86400", "-C", dir, "-f", archive, "./times", "./times/1970"},
		{"--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner", "-p", "-C", want, "-xf", archive},
	} {
		if out, err := exec.Command("tar", words...).CombinedOutput(); err != nil {
			w.t.Fatalf("tar %q: %v\n%s", words, err, out)
		}
	}
	return archive, want
}

// Differences between a tree of create and the one that GNU tar makes as root.
var (
	leftOut = []string{
		`/dev/disk: missing`, `/dev/mem: missing`,
		`/usr/attributes: security.name: b's' is None`,
		`/usr/attributes: trusted.name: b't' is None`,
	}
	leftOutByUser = append([]string{
		`/dev/null: missing`,
		`/usr/foreign: gid: 70000 is 0`, `/usr/foreign: uid: 70000 is 0`,
		`/usr/foreign-gid: gid: 70000 is 0`,
		`/usr/foreign-uid: uid: 70000 is 0`,
	}, leftOut...)
	account = []string{`/etc/group`, `/etc/passwd`, `/home`, `/home/chruntest`}
)

// A tree is as GNU tar makes it as root, except for what is listed here.
func TestCreateMembers(t *testing.T) {
	w := openWorkshop(t)
	archive, want := w.makeMembers()
	for _, program := range []string{"", "gzip", "bzip2", "xz -T1 -0", "zstd -1"} {
		name, file := "box"+strings.Fields(program + " tar")[0], archive
		if program != "" {
			file = archive + "." + strings.Fields(program)[0]
			if out, err := exec.Command("sh", "-c", program+" <"+archive+" >"+file).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v %s", program, err, out)
			}
		}
		r := w.chrunctl("create", name, "--from", file)
		if r.err != nil {
			t.Fatalf("%s: %+v", program, r)
		}
		w.wantDifferences(want, w.tree(name), firstID, leftOutByUser)
		for _, text := range []string{"owners outside the map of IDs, which are root inside (3, first ./usr/foreign",
			"left out: device nodes (3, first ./dev/", "left out: attributes trusted.name (1, first ./usr/attributes)"} {
			if !strings.Contains(r.stdout, text) {
				t.Errorf("%s: %q is not in\n%s", program, text, r.stdout)
			}
		}
		w.wantClean(program)
	}
	for name, where := range map[string]string{"caller": "usr/caller", "home": "home/" + w.user.Name} {
		if st, err := os.Stat(filepath.Join(w.tree("boxtar"), where)); err != nil || int(st.Sys().(*syscall.Stat_t).Uid) != w.user.UID {
			t.Errorf("%s: %v %v", name, st, err)
		}
	}

	r := runCommand(w.asRoot(t.Context(), chrunctlProgram, "create", "box", filepath.Dir(w.home)+"/box", "--from", archive))
	if r.err != nil {
		t.Fatalf("%+v", r)
	}
	w.wantDifferences(want, filepath.Dir(w.home)+"/box", 0, leftOut)
}

// wantDifferences compares a tree with the one that is wanted. Differences of the
// files of the account are allowed.
func (w *workshop) wantDifferences(want, tree string, first int, differences []string) {
	w.t.Helper()
	got := slices.DeleteFunc(strings.Split(w.judge("compare", want, tree, strconv.Itoa(first), strconv.Itoa(w.user.UID)), "\n"), func(line string) bool {
		name, _, _ := strings.Cut(line, ": ")
		return first != 0 && (slices.Contains(account, name) || strings.HasPrefix(line, "/: mtime: "))
	})
	differences = slices.Sorted(slices.Values(differences))
	slices.Sort(got)
	if !slices.Equal(got, differences) {
		w.t.Errorf("%s differs:\n%s\nwant:\n%s", tree, strings.Join(got, "\n"), strings.Join(differences, "\n"))
	}
}
