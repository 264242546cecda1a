package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// Files that the command line names are available inside under the same path,
// unless the chroot has them; so is the working directory. Documents saved inside
// are on the host. Nothing else of the home is available.
func TestFiles(t *testing.T) {
	headless.Chroot(t)
	u, err := headless.TestUser()
	if err != nil {
		t.Fatal(err)
	}
	home := headless.Dir(t, u)
	d := openDesktop(t, headless.Options{Home: home})
	for p, content := range map[string]string{
		".config/user-dirs.dirs": "XDG_DOWNLOAD_DIR=\"$HOME/Herunter geladen\"\n",
		"Herunter geladen/":      "",
		"proj/sub/a 'b\".txt":    "in a project",
		"top.txt":                "in the home",
		".secret/key":            "hidden",
	} {
		file := filepath.Join(home, p)
		if out, err := d.Output("mkdir", "-p", filepath.Dir(home+"/"+p+"x")); err != nil {
			t.Fatal(out, err)
		}
		if !strings.HasSuffix(p, "/") {
			if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	file := filepath.Join(home, "proj/sub/a 'b\".txt")
	cat := []string{"cat", file}
	d.chrun(both, nil, cat...).wantOutput(t, "in a project")
	d.chrun(both, nil, "sh", "-c", `cat "${1#--f=}"`, "sh", "--f="+file).wantOutput(t, "in a project")
	d.chrun(both, nil, "sh", "-c", `cat "$2"`, "sh", "file://"+strings.ReplaceAll(strings.ReplaceAll(file, " ", "%20"), `"`, "%22"), file).wantOutput(t, "in a project")
	d.chrun(both, nil, "cat", filepath.Join(home, "top.txt")).wantOutput(t, "in the home")
	// The mount points of the launches above do not hide the directory.
	d.chrun(both, nil, "sh", "-c", `ls "$1" && echo saved >"$1/new"`, "sh", filepath.Join(home, "proj")).wantOutput(t, "sub")
	d.chrun(both, nil, "ls", filepath.Join(home, "proj/sub")).wantOutput(t, "a 'b\".txt")
	if data, _ := os.ReadFile(filepath.Join(home, "proj/new")); string(data) != "saved\n" {
		t.Errorf("a file saved in a named directory is not on the host: %q", data)
	}
	if r := d.chrun(both, nil, "cat", filepath.Join(home, ".secret/key")); r.err == nil {
		t.Errorf("a file below a dot directory of the home is shared: %s", r.stdout)
	}
	d.chrun(both, nil, "grep", "-c", "^"+u.Name+":", "/etc/passwd").wantOutput(t, "1") // the chroot's own
	d.chrun(both, nil, "sh", "-c", `cat ~/.config/user-dirs.dirs; echo saved >~/"Herunter geladen/x"`).wantOutput(t, `XDG_DOWNLOAD_DIR="`+home+`/Herunter geladen"`)
	if data, _ := os.ReadFile(filepath.Join(home, "Herunter geladen/x")); string(data) != "saved\n" {
		t.Errorf("a download is not in the host's folder: %q", data)
	}
	// The working directory is shared, except a dot directory.
	cmd := d.Command(t.Context(), chrunProgram, "-c", d.chroot, "cat", "a 'b\".txt")
	cmd.Dir = filepath.Dir(file)
	if out, err := cmd.Output(); err != nil || string(out) != "in a project" {
		t.Errorf("in the project: %v: %s", err, out)
	}
	cmd = d.Command(t.Context(), chrunProgram, "-c", d.chroot, "true")
	cmd.Dir = filepath.Join(home, ".secret")
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 125 {
		t.Errorf("in a dot directory: %v", err)
	}
}

// In a tree that belongs to the person, a launch leaves an empty directory as the
// mount point of a folder. The next launch uses it again.
func TestRepeatedFile(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	d.chroot = filepath.Join(headless.Dir(t, d.User), "tree")
	out, err := d.Output("mktemp", "-d", "/var/tmp/chrun-test-XXXXXX") // /tmp is shared whole
	if err != nil {
		t.Fatal(out, err)
	}
	dir := strings.TrimSpace(out)
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, command := range [][]string{
		{"mkdir", d.chroot},
		{"sh", "-c", "cd " + headless.Chroot32(t) + " && cp -a bin lib usr " + d.chroot},
		{"sh", "-c", "echo first >" + dir + "/a; echo second >" + dir + "/b"},
	} {
		if out, err := d.Output(command[0], command[1:]...); err != nil {
			t.Fatal(out, err)
		}
	}
	for range 2 {
		for name, content := range map[string]string{"a": "first", "b": "second"} {
			d.chrun(both, nil, "cat", filepath.Join(dir, name)).wantOutput(t, content)
		}
	}
	if list, err := os.ReadDir(filepath.Join(d.chroot, dir)); err != nil || len(list) != 0 {
		t.Errorf("in the tree: %v, %v", list, err)
	}
}

// If the home is a symlink, its target is treated as the home, and the program
// sees the name of the symlink.
func TestLinkedHome(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	dir := makeProject(t, d.User) // not in /tmp, which is shared anyway
	home, link := dir+"/real", dir+"/link"
	if out, err := d.Output("sh", "-c", "mkdir -p $1/.secret $1/proj && echo hidden >$1/.secret/key && echo here >$1/proj/file && ln -s real $2", "sh", home, link); err != nil {
		t.Fatal(out, err)
	}
	linked := mode{"linked home", func(env []string) []string { return append(without("HOME")(env), "HOME="+link) }}
	for in, want := range map[string]string{home: link + "\nhere", home + "/proj": link + "/proj\nhere"} {
		cmd := d.start(t.Context(), linked, nil, "sh", "-c", "pwd; cat file 2>/dev/null || cat proj/file 2>/dev/null || echo no")
		cmd.Dir = in
		if out, err := cmd.Output(); err != nil || string(out) != want+"\n" {
			t.Errorf("in %s: %v: %s", in, err, out)
		}
	}
	d.chrun(linked, nil, "cat", home+"/proj/file").wantOutput(t, "here")
	for _, named := range []string{home + "/.secret/key", home} {
		if r := d.chrun(linked, nil, "ls", named); r.err == nil {
			t.Errorf("%s is shared: %s", named, r.stdout)
		}
	}
}

// Sharing a file of the home into a directory of the person's leaves no empty file
// as its mount point. The mount point stays while a program uses it, and so does a
// file of that directory.
func TestNamedInHome(t *testing.T) {
	host := makeHome(t, map[string]string{"it's \\ a file": "the host's", "own": "the host's", "empty": ""})
	d := openDesktop(t, headless.Options{Home: host})
	file, dir, own := filepath.Join(host, `it's \ a file`), headless.Dir(t, d.User), headless.Dir(t, d.User)
	home := []string{"-q", "--home=" + own}
	inHome := func(name string) bool {
		found, err := filepath.Glob(filepath.Join(own, name))
		if err != nil {
			t.Fatal(err)
		}
		return len(found) > 0
	}
	d.chrun(both, home, "sh", "-c", "echo inside >~/own").wantOutput(t, "")
	d.chrun(both, home, "cat", filepath.Join(host, "own")).wantOutput(t, "inside")
	d.chrun(both, home, "cat", file).wantOutput(t, "the host's")
	d.chrun(both, home, "cat", filepath.Join(host, "empty")).wantOutput(t, "")
	if !inHome("own") || inHome("it*") || inHome("empty") {
		t.Errorf("in the chroot's home: own %v, it's %v, empty %v", inHome("own"), inHome("it*"), inHome("empty"))
	}

	// Two launches share it, and a program of the first one still runs.
	const later = `exec >"$2/output" 2>&1; echo >"$2/ready"; until test -e "$2/go"; do sleep 0.05; done; cat "$1"; echo >"$2/done"`
	d.chrun(both, home, "setsid", "-f", "sh", "-c", later, "sh", file, dir).wantOutput(t, "")
	waitFor(t, 10*time.Second, "the program", func() bool { _, err := os.Stat(dir + "/ready"); return err == nil })
	d.chrun(both, home, "cat", file).wantOutput(t, "the host's")
	writeFile(t, dir+"/go", "")
	waitFor(t, 10*time.Second, "its output", func() bool { _, err := os.Stat(dir + "/done"); return err == nil })
	if output, _ := os.ReadFile(dir + "/output"); string(output) != "the host's" {
		t.Errorf("the file has disappeared: %q", output)
	}
	// The next launch that is the only user of the mount point removes it.
	waitFor(t, 10*time.Second, "the mount point is removed", func() bool {
		d.chrun(both, home, "cat", file).wantOutput(t, "the host's")
		return !inHome("it*")
	})
}
