package test

import (
	"debug/elf"
	"debug/gosym"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// runMake runs make in the project's directory, with a PATH on which it finds no Go
// except one in /usr/bin: installing needs none.
func runMake(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("make", append([]string{"-C", "..", "--no-print-directory", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("make %v: %v: %s", args, err, out)
	}
	return string(out)
}

// buildBin makes bin/ if it is missing or out of date.
func buildBin(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("make", "-C", "..", "bin/chrunctl.fish").CombinedOutput(); err != nil {
		t.Fatalf("make: %v: %s", err, out)
	}
}

// chrun begins in session/start, which makes its start faster.
func TestEntryPoint(t *testing.T) {
	buildBin(t)
	f, err := elf.Open("../bin/chrun")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := f.Section(".gopclntab").Data()
	if err != nil {
		t.Fatal(err)
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(lines, f.Section(".text").Addr))
	if err != nil {
		t.Fatal(err)
	}
	if at := table.PCToFunc(f.Entry); at == nil || at.Name != "chrun/session/start.entry" {
		t.Errorf("chrun begins at %#x: %+v", f.Entry, at)
	}
}

// listFiles lists the files below dir with their permissions.
func listFiles(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		st, err := e.Info()
		if err == nil {
			list = append(list, fmt.Sprintf("%o %s", st.Mode(), strings.TrimPrefix(p, dir)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestInstallList(t *testing.T) {
	buildBin(t)
	dir := filepath.Join(t.TempDir(), "with blank")
	out := runMake(t, "install", "DESTDIR="+dir, "PREFIX=/usr")
	want := []string{
		"644 /etc/apparmor.d/chrun",
		"755 /usr/bin/chrun",
		"755 /usr/bin/chrunctl",
		"644 /usr/share/bash-completion/completions/chrun",
		"644 /usr/share/bash-completion/completions/chrunctl",
		"644 /usr/share/fish/vendor_completions.d/chrun.fish",
		"644 /usr/share/fish/vendor_completions.d/chrunctl.fish",
		"644 /usr/share/man/man1/chrun.1",
		"644 /usr/share/man/man1/chrunctl.1",
		"644 /usr/share/man/man5/chrun.toml.5",
		"644 /usr/share/zsh/site-functions/_chrun",
		"644 /usr/share/zsh/site-functions/_chrunctl",
	}
	got := listFiles(t, dir)
	if !slices.Equal(got, want) {
		t.Errorf("installed:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, line := range got {
		_, file, _ := strings.Cut(line, " ")
		if !strings.Contains(out, dir+file+"\n") {
			t.Errorf("install does not print %s:\n%s", file, out)
		}
	}
	profile, _ := os.ReadFile(dir + "/etc/apparmor.d/chrun")
	if text := string(profile); !strings.Contains(text, "profile chrun /usr/bin/chrun{,ctl} ") || !strings.Contains(text, "userns,") || strings.Contains(text, "@PREFIX@") {
		t.Errorf("profile: %s", text)
	}
	runMake(t, "uninstall", "DESTDIR="+dir, "PREFIX=/usr")
	if got := listFiles(t, dir); len(got) > 0 {
		t.Errorf("uninstall leaves %v", got)
	}
}

// A machine is a mount namespace that a script has set up, to run commands in.
type machine struct {
	t   *testing.T
	pid int
}

func newMachine(t *testing.T, script string) *machine {
	t.Helper()
	cmd := exec.Command("unshare", "--mount", "sh", "-ec", script+"\necho ready\nexec cat")
	cmd.Dir = ".."
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { in.Close() })
	waitFor(t, time.Minute, "the machine is made", func() bool {
		select {
		case err := <-ended:
			t.Fatalf("%v: %s", err, out.String())
		default:
		}
		return strings.Contains(out.String(), "ready\n")
	})
	return &machine{t, cmd.Process.Pid}
}

func (m *machine) command(words ...string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{fmt.Sprintf("--mount=/proc/%d/ns/mnt", m.pid), "--"}, words...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	return cmd
}

// login returns the command that runs a line of shell as user.
func login(user, line string) []string {
	return []string{"setpriv", "--reuid=" + user, "--regid=" + user, "--init-groups", "--reset-env", "sh", "-c", "export TERM=dumb LANG=C.UTF-8; " + line}
}

// runAs runs a line of shell as user in the user's home.
func (m *machine) runAs(user, line string) string {
	m.t.Helper()
	cmd := m.command(login(user, "cd; "+line)...)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		m.t.Errorf("%s: %v: %s", line, err, out)
	}
	return string(out)
}

// typeKeys types into a shell of user on a terminal. pairs are texts to type, each
// followed by the output to wait for.
func (m *machine) typeKeys(user, shell string, pairs ...string) {
	m.t.Helper()
	cmd := m.command(login(user, "cd; exec script -qefc 'stty rows 50 cols 200; exec "+shell+" -i' /dev/null")...)
	cmd.WaitDelay = 5 * time.Second
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	}()
	for i := 0; i < len(pairs); i += 2 {
		from := len(out.String())
		io.WriteString(in, pairs[i])
		output := func() string { return strings.ReplaceAll(out.String()[from:], "\a", "") } // without bells
		for end := time.Now().Add(10 * time.Second); !strings.Contains(output(), pairs[i+1]); {
			if time.Now().After(end) {
				m.t.Fatalf("%s: no %q after %q:\n%q", shell, pairs[i+1], pairs[i], output())
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// checkCompletion checks each kind of completion in an interactive shell.
func (m *machine) checkCompletion(user, shell string) {
	m.t.Helper()
	m.typeKeys(user, shell,
		`echo up-""42`+"\r", "up-42",
		"chrun -c tre\t", "tree ",
		"localed\t", "localedef ",
		"--version\r", "GLIBC",
		"chrun --deny x11,prin\t", "printing ",
		"ls --sor\t", "--sort",
		"\x15chrun --home=temp\t", "temporary ",
		"/usr/bin/localed\t", "localedef ",
		"\x15chrunctl sho\t", "show ",
		"tre\t", "tree ",
		"\r", "/mnt/tree",
	)
}
