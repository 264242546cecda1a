package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"chrun/desktop"
	"chrun/session/config"
)

// completeChrun answers chrun's completion scripts. It is here because chrun
// itself starts faster without it. Its arguments are those of chrun, up to the
// word at the cursor; what it says is a line for each word that may stand
// there, a tab and what that is, or
//
//	:files PREFIX          files, behind PREFIX in the word
//	:directories PREFIX    directories
//	:command N             what the shell knows of the command at word N
func (c *command) completeChrun() *cobra.Command {
	return &cobra.Command{
		Use:    "complete-chrun -- WORD...",
		Short:  "List what may stand at the last word of chrun's command line",
		Hidden: true,
		Args:   cobra.MinimumNArgs(1),
		Run:    func(_ *cobra.Command, args []string) { (&completion{command: c}).line(args) },
	}
}

// completion is of one command line.
type completion struct {
	*command
	chroot string // the value of -c
}

// A chrunFlag is a flag of chrun.
type chrunFlag struct {
	long, short string
	about       string
	value       func(c *completion, prefix, word string) // nil if it takes none
	optional    bool                                     // a value stands behind "=" alone
}

// chrunFlags are as chrun --help has them; a test compares.
var chrunFlags = []chrunFlag{
	{long: "chroot", short: "c", about: "which chroot", value: (*completion).chroots},
	{long: "user", short: "u", about: "account inside", value: (*completion).accounts},
	{long: "cwd", short: "C", about: "working directory inside", value: (*completion).directories},
	{long: "identity", about: "whose uid", value: (*completion).identities},
	{long: "home", about: "which home", value: (*completion).homes},
	{long: "bind", about: "more to share", value: (*completion).binds},
	{long: "env", about: "set a variable, or pass yours", value: (*completion).variables},
	{long: "unset-env", about: "take a variable away", value: (*completion).variables},
	{long: "allow", about: "features or groups", value: (*completion).features},
	{long: "deny", about: "features or groups", value: (*completion).features},
	{long: "app", about: "the entry of the menu", value: (*completion).anything},
	{long: "dry-run", short: "n", about: "print the plan, run nothing", value: (*completion).forms, optional: true},
	{long: "list", short: "l", about: "list the known chroots"},
	{long: "verbose", short: "v", about: "say what is shared"},
	{long: "quiet", short: "q", about: "no warnings"},
	{long: "version", short: "V", about: "print the version"},
	{long: "help", short: "h", about: "print help"},
}

// line completes the last word.
func (c *completion) line(words []string) {
	last := len(words) - 1
	for i := 0; i < last; i++ {
		word := words[i]
		if word == "--" {
			c.behind(words, i+1)
			return
		}
		if len(word) < 2 || word[0] != '-' {
			c.behind(words, i)
			return
		}
		f, prefix, glued := split(word)
		if f == nil {
			continue
		}
		value := strings.TrimPrefix(word, prefix)
		if !glued {
			if i++; i == last {
				f.value(c, "", words[i])
				return
			}
			value = words[i]
		}
		if f.long == "chroot" {
			c.chroot = value
		}
	}
	word := words[last]
	switch f, prefix, glued := split(word); {
	case glued:
		f.value(c, prefix, word[len(prefix):])
	case strings.HasPrefix(word, "-"):
		for _, f := range chrunFlags {
			c.offer("", word, "--"+f.long, f.about)
			if f.short != "" {
				c.offer("", word, "-"+f.short, f.about)
			}
		}
	default:
		c.programs(word)
	}
}

// behind completes COMMAND, word n, or what stands behind it.
func (c *completion) behind(words []string, n int) {
	if n == len(words)-1 {
		c.programs(words[n])
		return
	}
	fmt.Fprintf(c.out, ":command %d\n", n+1) // chrun is word 0
}

// split finds the flag with a value in a word. What stands before the value is
// prefix; if it is not glued to that, the value is the next word. The flag is
// nil if there is none, or the word is complete without one.
func split(word string) (f *chrunFlag, prefix string, glued bool) {
	if strings.HasPrefix(word, "--") {
		name, _, equals := strings.Cut(word, "=")
		for i := range chrunFlags {
			if f := &chrunFlags[i]; "--"+f.long == name && f.value != nil && (equals || !f.optional) {
				return f, name + "=", equals
			}
		}
		return nil, "", false
	}
	if !strings.HasPrefix(word, "-") {
		return nil, "", false
	}
	for at := 1; at < len(word); at++ {
		for i := range chrunFlags {
			f, rest := &chrunFlags[i], word[at+1:]
			switch equals := strings.HasPrefix(rest, "="); {
			case f.short != word[at:at+1] || f.value == nil:
			case equals:
				return f, word[:at+2], true
			case !f.optional:
				return f, word[:at+1], rest != ""
			}
		}
	}
	return nil, "", false
}

// offer prints value, behind prefix, if it begins as word does. Shells put it
// on the command line as it is: what could mean something to one is left out.
func (c *completion) offer(prefix, word, value, about string) {
	if value == "" || !strings.HasPrefix(value, word) || strings.ContainsFunc(value, unsafe) {
		return
	}
	about = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(about, "?"))
	fmt.Fprintf(c.out, "%s%s\t%s\n", prefix, value, about)
}

func unsafe(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_.,/+-", r)
}

// The values of flags, in the order of the table.

func (c *completion) chroots(prefix, word string) {
	if conf, err := config.Load(c.src); err == nil {
		all, _ := conf.All()
		for _, ch := range all {
			c.offer(prefix, word, ch.Name, string(ch.Path))
		}
	}
	fmt.Fprintln(c.out, ":directories", prefix)
}

func (c *completion) homes(prefix, word string) {
	c.offer(prefix, word, "auto", "the chroot's own if you can write it, else private")
	c.offer(prefix, word, "private", "one that chrun keeps for the chroot")
	c.offer(prefix, word, "host", "your whole home")
	c.offer(prefix, word, "temporary", "an empty one that is gone afterwards")
	fmt.Fprintln(c.out, ":directories", prefix)
}

func (c *completion) identities(prefix, word string) {
	c.offer(prefix, word, "auto", "the simplest that works")
	c.offer(prefix, word, "match", "your uid, seen as it is")
	c.offer(prefix, word, "remap", "your uid, seen as the account's number")
	c.offer(prefix, word, "subid", "a tree of your subordinate ids")
	c.offer(prefix, word, "idmap", "files carry the account's number; for root")
	c.offer(prefix, word, "grant", "the account's own uid; for root")
}

func (c *completion) binds(prefix, word string) {
	source, dest, ok := strings.Cut(word, ":")
	if !ok {
		fmt.Fprintln(c.out, ":files", prefix)
		return
	}
	prefix += source + ":"
	c.offer(prefix, dest, "ro", "read-only")
	c.inside(prefix, dest, true)
}

func (c *completion) variables(prefix, word string) {
	for _, v := range c.env {
		name, _, _ := strings.Cut(v, "=")
		c.offer(prefix, word, name, "")
	}
}

func (c *completion) features(prefix, word string) {
	if i := strings.LastIndexByte(word, ',') + 1; i > 0 {
		prefix, word = prefix+word[:i], word[i:]
	}
	for _, f := range desktop.Features {
		c.offer(prefix, word, f.Name, f.Shares)
	}
	for _, group := range desktop.Groups() {
		var names []string
		found, _ := desktop.Named(group)
		for _, f := range found {
			names = append(names, f.Name)
		}
		about := "all features"
		if group != desktop.All {
			about = "the group " + strings.Join(names, ", ")
		}
		c.offer(prefix, word, group, about)
	}
}

func (c *completion) forms(prefix, word string) {
	c.offer(prefix, word, "text", "for people")
	c.offer(prefix, word, "shell", "as mount commands")
	c.offer(prefix, word, "json", "for programs")
}

// anything is for what cannot be listed.
func (c *completion) anything(string, string) {}
