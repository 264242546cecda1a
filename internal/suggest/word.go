package suggest

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/rootfs"
)

// word is a COMMAND that could not be executed, and what is looked at to find
// what it may have meant.
type word struct {
	text       string                    // COMMAND
	flags      []string                  // the flags before it
	otherFlags []string                  // the same without --chroot
	rootFlags  []string                  // the same without --user and --identity
	rootChrun  []string                  // how a launch as root inside begins
	rest       []string                  // the words after it
	chroots    []string                  // the names of the known chroots
	inside     func() []string           // the programs of the chroot
	has        func(program string) bool // in the usual directories of the chroot
	elsewhere  func(program string) string
	onHost     func(program string) bool
}

// A rule recognises one kind of mistake and returns the line to type, or "".
type rule func(w *word) string

// rules are tried in order. The last ones are about programs that the chroot lacks.
var (
	rules        = []rule{isDirectory, isChroot, isVerb, isAssignment, isShellCommand, isShellSyntax, isMistyped}
	missingRules = []rule{isElsewhere, isOnHost}
)

// suggestions returns the lines to type.
func (w *word) suggestions() (lines []string) {
	first := func(rules []rule) {
		for _, r := range rules {
			if s := r(w); s != "" {
				lines = append(lines, s)
				return
			}
		}
	}
	if first(rules); lines != nil {
		return lines
	}
	first(missingRules)
	if s := w.installHint(); s != "" {
		lines = append(lines, s)
	}
	return lines
}

// isDirectory: chrun /mnt/gentoo firefox
func isDirectory(w *word) string {
	root, err := rootfs.Open(rootfs.HostPath(w.text))
	if err != nil || !strings.Contains(w.text, "/") && strings.Trim(w.text, ".") != "" {
		return ""
	}
	root.Close()
	return "for the chroot in that directory: " + line("chrun", w.otherFlags, []string{"-c", w.text}, w.rest)
}

// isChroot: chrun gentoo firefox
func isChroot(w *word) string {
	if !slices.Contains(w.chroots, w.text) {
		return ""
	}
	return "for the chroot of that name: " + line("chrun", w.otherFlags, []string{"-c", w.text}, w.rest)
}

// isVerb: chrun add gentoo /mnt/gentoo
func isVerb(w *word) string {
	if _, ok := cli.FindVerb(w.text); ok && !w.meansShell() {
		return line("chrunctl", []string{w.text}, w.rest)
	}
	switch {
	case w.text == "help":
		return "chrun --help, or chrunctl help"
	case w.onHost == nil || w.onHost(w.text): // it is the name of a program
		return ""
	}
	return cli.OtherVerbs()[w.text]
}

// isAssignment: chrun FOO=1 firefox
func isAssignment(w *word) string {
	name, value, ok := strings.Cut(w.text, "=")
	if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && !(r >= 'A' && r <= 'Z') && !(r >= 'a' && r <= 'z') && !(r >= '0' && r <= '9')
	}) {
		return ""
	}
	return "set it before chrun: " + name + "=" + session.Quote(value) + " " + line("chrun", w.flags, w.rest)
}

// isShellSyntax: chrun 'ls | wc'
func isShellSyntax(w *word) string {
	if !strings.ContainsAny(w.text, " \t\n|&;<>()$`*?") {
		return ""
	}
	script := strings.Join(append([]string{w.text}, w.rest...), " ")
	return "to let a shell read it: " + line("chrun", w.flags, []string{"sh", "-c", script})
}

// isMistyped: chrun firefox, when the chroot has firefox-bin
func isMistyped(w *word) string {
	near := nearest(w.text, w.inside(), !w.isKnownProgram())
	if len(near) == 0 {
		return ""
	}
	return "the chroot has " + strings.Join(near, ", ") + ": " + line("chrun", w.flags, near[:1], w.rest)
}

// isElsewhere: the program is in another chroot.
func isElsewhere(w *word) string {
	other := w.elsewhere(w.text)
	if other == "" {
		return ""
	}
	return fmt.Sprintf("the chroot %q has it: %s", other, line("chrun", w.otherFlags, []string{"-c", other, w.text}, w.rest))
}

// isOnHost: the host has the program.
func isOnHost(w *word) string {
	if !w.onHost(w.text) {
		return ""
	}
	return "the host has it: " + line(w.text, w.rest)
}

// line is a command line to type.
func line(program string, words ...[]string) string {
	return session.Quote(append([]string{program}, slices.Concat(words...)...)...)
}

// newWord looks around for the launch that failed.
func (c *Context) newWord() *word {
	names, _ := c.Config.Names()
	return &word{
		text: c.Flags.Command[0], flags: c.Flags.Words(), otherFlags: c.Flags.Words("chroot"), rest: c.Flags.Command[1:], chroots: names,
		rootFlags: c.Flags.Words("user", "identity", "any-cwd"), rootChrun: c.rootChrun(),
		has: func(program string) bool {
			return slices.ContainsFunc(usualBins, func(bin rootfs.Path) bool { return c.Root.Exists(bin.Join(program)) })
		},
		inside: func() []string { return programs(c.Root, c.Search) },
		elsewhere: func(program string) string {
			for _, name := range names {
				if ch, err := c.Config.Chroot(name); err == nil && hasProgram(ch.Path, program, c.Root.Dir()) {
					return name
				}
			}
			return ""
		},
		onHost: func(program string) bool {
			return slices.ContainsFunc(strings.Split(c.HostSearch, ":"), func(dir string) bool {
				st, err := os.Stat(path.Join(dir, program))
				return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 && path.IsAbs(dir)
			})
		},
	}
}

// programs lists the names in a search path of the tree.
func programs(root *rootfs.Root, search string) (names []string) {
	for _, dir := range strings.Split(search, ":") {
		entries, _ := root.List(rootfs.Path(dir))
		for _, e := range entries {
			names = append(names, e.Name())
		}
	}
	return names
}

var usualBins = []rootfs.Path{"/usr/bin", "/usr/local/bin", "/opt/bin", "/usr/sbin", "/sbin"}

// hasProgram reports whether the tree in dir, unless it is the one in except,
// has a program of that name.
func hasProgram(dir rootfs.HostPath, program string, except rootfs.HostPath) bool {
	root, err := rootfs.Open(dir)
	if err != nil || strings.Contains(program, "/") || strings.Trim(program, ".") == "" {
		return false
	}
	defer root.Close()
	return root.Dir() != except && slices.ContainsFunc(usualBins, func(bin rootfs.Path) bool { return root.Exists(bin.Join(program)) })
}

// noChrootHints says what to type if no chroot is known.
func (c *Context) noChrootHints() []string {
	if command := c.Flags.Command; len(command) > 0 {
		w := &word{text: command[0], rest: command[1:], otherFlags: c.Flags.Words("chroot")}
		for _, r := range []rule{isDirectory, isVerb} {
			if s := r(w); s != "" {
				return []string{s}
			}
		}
	}
	dir, name := "DIR", "NAME"
	if trees := findTrees(func(pattern string) []string { list, _ := filepath.Glob(pattern); return list }); len(trees) > 0 {
		dir, name = trees[0], path.Base(trees[0])
	}
	flags := c.Flags.Words("chroot")
	return []string{
		"name its directory: " + line("chrun", []string{"-c", dir}, flags, c.Flags.Command),
		"or give it a name once: " + line("chrunctl", []string{"add", name, dir}) + ", then: " + line("chrun", flags, c.Flags.Command),
	}
}

// findTrees looks in the usual places for directories that can be chroots.
func findTrees(glob func(pattern string) []string) (dirs []string) {
	for _, pattern := range []string{"/mnt/*", "/srv/chroot/*", "/var/lib/machines/*"} {
		for _, dir := range glob(pattern) {
			if root, err := rootfs.Open(rootfs.HostPath(dir)); err == nil {
				root.Close()
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}
