package suggest

import (
	"slices"
	"strings"

	"chrun/session"
)

// Commands of shells, which are not programs. After those of changesShell a person
// wants to run something else. Those of asksShell only make sense in a shell in
// which a person types.
const (
	changesShell = "cd export set unset source . umask ulimit eval pushd popd shopt declare typeset readonly trap hash setenv"
	asksShell    = "alias unalias history fc bind fg bg jobs disown dirs complete compgen exit logout"
	runsInShell  = "type command builtin exec read time times wait let local return"
	bashOnly     = "source pushd popd shopt declare typeset let time builtin"
)

// isAmong reports whether word is in a list of words.
func isAmong(words, word string) bool { return slices.Contains(strings.Fields(words), word) }

// usualAliases returns names that people give to other commands.
func usualAliases() map[string][]string {
	return map[string][]string{"ll": {"ls", "-l"}, "la": {"ls", "-A"}, "l": {"ls", "-CF"}, "lla": {"ls", "-lA"}, "dir": {"ls"}, "..": {"ls", ".."}}
}

// meansShell reports whether a word that is a verb of chrunctl, such as export, is
// rather the shell's: no chroot's name follows.
func (w *word) meansShell() bool {
	return isAmong(changesShell, w.text) && w.inside != nil && (len(w.rest) == 0 || !slices.Contains(w.chroots, w.rest[0]))
}

// isShellCommand: chrun cd src
func isShellCommand(w *word) string {
	shell := "sh"
	if isAmong(bashOnly, w.text) {
		shell = "bash"
	}
	script := session.Quote(append([]string{w.text}, w.rest...)...)
	const what = "that is a command of the shell, not a program: "
	switch {
	case isAmong(changesShell, w.text):
		return what + line("chrun", w.flags, []string{shell, "-c", script + " && COMMAND"})
	case isAmong(runsInShell, w.text):
		return what + line("chrun", w.flags, []string{shell, "-c", script})
	case isAmong(asksShell, w.text):
		return what + "for a shell in the chroot: " + line("chrun", w.flags)
	case usualAliases()[w.text] != nil && !w.onHost(w.text):
		return "that may be an alias of your shell: " + line("chrun", w.flags, usualAliases()[w.text], w.rest)
	}
	return ""
}
