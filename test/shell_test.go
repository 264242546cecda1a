package test

import (
	"context"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
	"chrun/session"
)

// How Gentoo's /etc/bash/bashrc sets the prompt.
const gentooBashrc = `PROMPT_COMMAND='echo -ne "\033]0;${USER}@${HOSTNAME%%.*}:${PWD/#$HOME/\~}\007"'
PS1='\[\033[01;32m\]\u@\h\[\033[01;34m\] \w \$\[\033[00m\] '
`

// Without COMMAND, the login shell of the account runs. It reads /etc/profile and
// the person's own files, and its prompt begins with the name of the chroot, once.
func TestPrompt(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	for _, c := range []struct {
		name, shell string
		file, text  string // in the home
		prompt      string // pattern of the text after the chroot's name
	}{
		{"bash", "/bin/bash", "", "", `\w+@.*\$ $`},
		{"bash, own PS1", "/bin/bash", ".bashrc", "PS1='mine> '\n", ` mine> $`},
		{"bash, own PS1 and PROMPT_COMMAND", "/bin/bash", ".bash_profile", "PROMPT_COMMAND=(true 'PS1=\"now $?> \"')\n", ` now 0> $`},
		{"bash, Gentoo's", "/bin/bash", ".bashrc", gentooBashrc, ` \w+@\S+ ~ \$ $`},
		{"zsh", "/bin/zsh", ".zshrc", "", ` \S+% $`},
		{"zsh, own prompt", "/bin/zsh", ".zshrc", "setopt promptsubst\nPS1='mine> '\n", ` mine> $`},
		{"fish", "/usr/bin/fish", "", "", ` \w+@\S+ ~> $`},
		{"fish, own prompt", "/usr/bin/fish", ".config/fish/config.fish", "function fish_prompt; echo -n \"mine $status> \"; end\n", ` mine 0> $`},
		{"dash", "/bin/dash", ".profile", "PS1='mine> '\n", ` mine> $`},
	} {
		t.Run(c.name, func(t *testing.T) {
			home := headless.Dir(t, d.User)
			d.writeShellFiles(home, c.file, c.text)
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			line := session.Quote(chrunProgram, "-q", "-c", d.chroot, "--home", home, "--env", "PATH=/usr/bin:/bin", "-C", "~")
			cmd := d.Command(ctx, "script", "-qefc", line, "/dev/null")
			cmd.Env = append(cmd.Env, "TERM=xterm", "SHELL="+c.shell)
			var out safeBuffer
			cmd.Stdout, cmd.Stderr = &out, &out
			keys, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			name := "(" + path.Base(d.chroot) + ")"
			defer func() {
				if t.Failed() {
					t.Logf("%q", out.String())
				}
			}()
			waitFor(t, 10*time.Second, "the prompt of "+c.name, func() bool { return findPrompt(out.String(), name) != "" })
			if text := findPrompt(out.String(), name); !regexp.MustCompile(c.prompt).MatchString(text) || strings.Contains(text, name) {
				t.Errorf("after %s the prompt is %q, want %s", name, text, c.prompt)
			}
			io.WriteString(keys, "expr 20 + 3; echo $PATH $CHRUN_CHROOT; exit 7\n")
			cmd.Wait()
			if cmd.ProcessState.ExitCode() != 7 || !strings.Contains(out.String(), "23") {
				t.Errorf("status %d: %s", cmd.ProcessState.ExitCode(), out.String())
			}
			if !strings.Contains(out.String(), "/usr/games") {
				t.Errorf("the shell has not read /etc/profile: %s", out.String())
			}
			if !strings.Contains(out.String(), path.Base(d.chroot)+"\r\n") {
				t.Errorf("CHRUN_CHROOT is not set: %s", out.String())
			}
		})
	}
}

// writeShellFiles writes the files that shells read into home. file, which may be "",
// gets text. As usual, a login bash reads .profile, unless there is a .bash_profile, and
// that reads .bashrc.
func (d *desk) writeShellFiles(home, file, text string) {
	d.t.Helper()
	files := map[string]string{".bashrc": ""}
	if file != ".bash_profile" {
		files[".profile"] = "[ -z \"$BASH\" ] || . ~/.bashrc\n"
	}
	if file != "" {
		files[file] += text
	}
	for name, text := range files {
		if out, err := d.Output("sh", "-c", `mkdir -p "${1%/*}"; printf %s "$2" >"$1"`, "sh", filepath.Join(home, name), text); err != nil {
			d.t.Fatal(out, err)
		}
	}
}

var controls = regexp.MustCompile(`\x1b\][^\a]*\a|\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b[=>]`)

// findPrompt returns the text after name on the last line, or "".
func findPrompt(screen, name string) string {
	lines := strings.FieldsFunc(controls.ReplaceAllString(screen, ""), func(r rune) bool { return r == '\r' || r == '\n' })
	if len(lines) == 0 {
		return ""
	}
	rest, ok := strings.CutPrefix(lines[len(lines)-1], name)
	if !ok {
		return ""
	}
	return rest
}

// The first launch in a chroot prints a greeting, once and only on a terminal.
func TestGreeting(t *testing.T) {
	d := openDesktop(t, headless.Options{Home: headless.Dir(t, headless.User{UID: os.Getuid(), GID: os.Getgid()}) + "/home"})
	run := func(flags ...string) string {
		t.Helper()
		args := append([]string{chrunProgram, "-c", d.chroot, "-C", "/"}, flags...)
		out, err := d.Output("script", "-qefc", session.Quote(append(args, "true")...), "/dev/null")
		if err != nil {
			t.Errorf("%s: %v", out, err)
		}
		return out
	}
	const greeting = "the first launch in"
	d.chrun(both, nil, "true").wantOutput(t, "") // no terminal: prints nothing, and does not count
	if out := run("-q"); out != "" {
		t.Errorf("with -q: %s", out)
	}
	if out := run("-n"); strings.Contains(out, greeting) {
		t.Errorf("with -n: %s", out)
	}
	first := run()
	for _, want := range []string{greeting, "settings of its programs are kept in ~/.local/share/chrun/homes/", "chrun: hint: chrunctl add NAME " + d.chroot} {
		if !strings.Contains(first, want) {
			t.Errorf("%q does not contain %q", first, want)
		}
	}
	if again := run(); again != "" {
		t.Errorf("the greeting is printed twice: %s", again)
	}
}
