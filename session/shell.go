package session

import (
	"path"
	"slices"
	"strings"
)

// A login shell's prompt begins with the chroot's name. Bash, zsh and fish are
// given a file of ours to read; it first reads what a login reads, /etc/profile
// included, and puts the name before whatever prompt the person's own files
// have made. Others have PS1 in the file that ENV names (POSIX, sh, "ENV").
//
// Nobody but the shell sees it: no file of the person's or the tree's changes.

// shell names the login shell to execute and its arguments.
func (b *builder) shell() {
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
	file := func(name, text string) string {
		p := PrivateDir.Join(name)
		b.add(Node{Path: strings.TrimPrefix(string(p), "/"), Kind: Regular, Mode: 0o644, Data: []byte(text)})
		return string(p)
	}
	switch base := path.Base(shell); base {
	case "bash":
		// Not as a login shell, which reads no file that it is told to.
		p.Argv = []string{"bash", "--rcfile", file("bashrc", strings.ReplaceAll(bashrc, "NAME", name))}
	case "zsh":
		old, set := b.plan.Env.Lookup("ZDOTDIR")
		text := strings.ReplaceAll(zshenv, "NAME", name)
		if set {
			text = "export ZDOTDIR=" + Quote(old) + "\n" + text
		} else {
			text = "unset ZDOTDIR\n" + text
		}
		b.setVariable("ZDOTDIR", path.Dir(file("zsh/.zshenv", text)))
	case "fish":
		// It cannot read /etc/profile, and reads a command after its own files.
		// A list of the terms that its default prompt puts first is left empty.
		p.Programs = []Path{"/bin/sh"}
		p.Argv = []string{"sh", "-c", `[ ! -r /etc/profile ] || . /etc/profile; exec "$0" --login --init-command "$1"`,
			shell, strings.ReplaceAll(fishInit, "NAME", name)}
	default:
		b.setVariable("ENV", file("shrc", strings.ReplaceAll(shrc, "NAME", name)))
	}
}

// promptName is a name without what a shell expands in a prompt: the base name
// of a directory may be anything.
func promptName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._+-@:", r) {
			return r
		}
		return '_'
	}, name)
}

// Debian's own prompts show $debian_chroot; nested shells have it from the
// environment.
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

const fishInit = `set -g __fish_machine
functions --query fish_prompt; and functions --copy fish_prompt __chrun_fish_prompt
function fish_prompt
    set -l lines (__chrun_fish_prompt)
    set -q lines[1]; or set lines ''
    string join \n -- '(NAME) '$lines[1] $lines[2..]
end`

const shrc = `case $PS1 in "(NAME)"*) ;; *) PS1="(NAME) $PS1" ;; esac
`

// setVariable sets one.
func (b *builder) setVariable(name, value string) {
	env := slices.DeleteFunc(b.plan.Env, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
	b.plan.Env = append(env, name+"="+value)
	slices.Sort(b.plan.Env)
}
