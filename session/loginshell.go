package session

import (
	"path"
	"strings"
)

// The prompt of a login shell begins with the chroot's name. Bash, zsh and fish
// get a file of ours to read. It first reads what a login reads, including
// /etc/profile, and then puts the name before the prompt that the person's own
// files have set. Other shells get PS1 from the file that ENV names (POSIX, sh,
// "ENV"). Only the shell sees these files: nothing in the home or the tree
// changes.

// choosePrograms chooses what to execute.
func (b *builder) choosePrograms() {
	p := b.plan
	if len(p.Argv) == 0 {
		b.chooseShell()
		return
	}
	if strings.Contains(p.Argv[0], "/") {
		p.Programs = []Path{Path(p.Argv[0])}
		return
	}
	search, ok := p.Env.Lookup("PATH")
	if !ok {
		search = "/bin:/usr/bin" // execvp(3)
	}
	for _, dir := range strings.Split(search, ":") {
		if dir == "" {
			dir = "."
		}
		p.Programs = append(p.Programs, Path(dir+"/"+p.Argv[0]))
	}
}

// chooseShell chooses the login shell and its arguments.
func (b *builder) chooseShell() {
	p := b.plan
	shell := b.f.Account.Shell
	if shell == "" {
		shell = "/bin/sh" // passwd(5)
	}
	p.Login, p.Programs, p.Argv = true, []Path{Path(shell)}, []string{"-" + path.Base(shell)}
	if !b.req.Interactive {
		return
	}
	name := promptName(b.f.Name)
	switch path.Base(shell) {
	case "bash":
		// A login shell would ignore --rcfile.
		p.Argv = []string{"bash", "--rcfile", b.addShellFile("bashrc", strings.ReplaceAll(bashrc, "NAME", name))}
	case "zsh":
		restore := "unset ZDOTDIR\n"
		if old, set := p.Env.Lookup("ZDOTDIR"); set {
			restore = "export ZDOTDIR=" + Quote(old) + "\n"
		}
		file := b.addShellFile("zsh/.zshenv", restore+strings.ReplaceAll(zshenv, "NAME", name))
		b.setVariable("ZDOTDIR", path.Dir(file))
	case "fish":
		// It cannot read /etc/profile. It runs the given command after its own files.
		p.Programs = []Path{"/bin/sh"}
		p.Argv = []string{"sh", "-c", `[ ! -r /etc/profile ] || . /etc/profile; exec "$0" --login --init-command "$1"`,
			shell, strings.ReplaceAll(fishInit, "NAME", name)}
	default:
		b.setVariable("ENV", b.addShellFile("shrc", strings.ReplaceAll(shrc, "NAME", name)))
	}
}

// addShellFile adds a small file for the shell and returns its path inside.
func (b *builder) addShellFile(name, text string) string {
	p := string(PrivateDir.Join(name))
	b.addNode(Node{Path: strings.TrimPrefix(p, "/"), Kind: Regular, Mode: 0o644, Data: []byte(text)})
	return p
}

// promptName returns name without characters that a shell expands in a prompt:
// the base name of a directory may be anything.
func promptName(name string) string {
	return strings.Map(func(r rune) rune {
		if isAlphanumeric(r) || strings.ContainsRune("._+-@:", r) {
			return r
		}
		return '_'
	}, name)
}

// Debian's own prompts show $debian_chroot, which nested shells inherit.
const bashrc = `# Made by chrun for this shell.
trap '[ ! -r ~/.bash_logout ] || . ~/.bash_logout' EXIT
[ ! -r /etc/profile ] || . /etc/profile
if [ -r ~/.bash_profile ]; then . ~/.bash_profile
elif [ -r ~/.bash_login ]; then . ~/.bash_login
elif [ -r ~/.profile ]; then . ~/.profile
fi
__chrun_prompt() {
	case $PS1 in "(NAME)"* | *'${debian_chroot'*) ;; *) PS1="(NAME) $PS1" ;; esac
}
if [[ $(declare -p PROMPT_COMMAND 2>/dev/null) == 'declare -a'* ]]; then
	PROMPT_COMMAND+=(__chrun_prompt)
else
	PROMPT_COMMAND="${PROMPT_COMMAND:+$PROMPT_COMMAND
}__chrun_prompt"
fi
`

const zshenv = `# Made by chrun for this shell.
# A prompt that /etc/profile sets is meant for other shells.
[[ ! -r /etc/profile ]] || () { local PS1; unset PS1; emulate sh -c '. /etc/profile' }
[[ ! -r ${ZDOTDIR-$HOME}/.zshenv ]] || . ${ZDOTDIR-$HOME}/.zshenv
__chrun_prompt() { [[ $PROMPT == '(NAME)'* ]] || PROMPT="(NAME) $PROMPT" }
typeset -ga precmd_functions
precmd_functions+=(__chrun_prompt)
`

// fishInit also empties __fish_machine, the prefix of fish's default prompt for
// Debian chroots: the name would appear twice.
const fishInit = `set -g __fish_machine
functions --query fish_prompt; and functions --copy fish_prompt __chrun_fish_prompt
function fish_prompt
    set -l lines (__chrun_fish_prompt)
    set -q lines[1]; or set lines ''
    string join \n -- '(NAME) '$lines[1] $lines[2..]
end`

const shrc = `case $PS1 in "(NAME)"*) ;; *) PS1="(NAME) $PS1" ;; esac
`
