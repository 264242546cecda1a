// Package complete completes chrun's command line and chrunctl's settings. It is
// part of chrunctl, so that it adds nothing to a launch. It prints a line for each
// candidate: the word, a tab, and a description. A line that begins with a colon
// asks the shell to complete:
//
//	:files PREFIX          names of files, after PREFIX in the word
//	:directories PREFIX    names of directories
//	:command N             the arguments of the command at word N
package complete

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"chrun/desktop"
	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/config"
)

// Completer completes for one caller.
type Completer struct {
	Source config.Source
	Env    session.Environ
	Root   bool // the caller is root
	Out    io.Writer
}

// CompleteLine completes the last of the words of chrun's command line.
func (c *Completer) CompleteLine(words []string) { (&completion{Completer: c}).completeLast(words) }

// CompleteSetting completes the value after KEY= in a setting of a chroot.
func (c *Completer) CompleteSetting(chroot, key, value string) (list []string) {
	if of, removes := strings.CutSuffix(key, "-"); removes {
		for _, s := range c.listSettings(chroot) {
			if s.Element && s.Key == of {
				list = append(list, key+"="+s.Value)
			}
		}
		return list
	}
	var out bytes.Buffer
	own := *c
	own.Out = &out
	comp, prefix := &completion{Completer: &own, chroot: chroot}, key+"="
	name := strings.TrimSuffix(key[strings.LastIndexByte(key, '.')+1:], "+")
	if name == "personality" {
		completeChoices(cli.Personalities)(comp, prefix, value)
	}
	if name == "sync" {
		completeChoices([]cli.Choice{{Name: "on"}, {Name: "off"}})(comp, prefix, value)
	}
	for _, f := range cli.ChrunFlags {
		if f.Name == name && f.Kind != cli.NoValue {
			completers[f.Kind](comp, prefix, value)
		}
	}
	for line := range strings.Lines(out.String()) {
		if line[0] != ':' {
			list = append(list, strings.TrimSuffix(line, "\n"))
		}
	}
	return list
}

// ListKeys lists what a setting can begin with.
func ListKeys() (list []string) {
	for _, k := range cli.Keys {
		list = append(list, k.Word)
	}
	return list
}

// ListUsedKeys lists the keys that a chroot has and that can be unset.
func (c *Completer) ListUsedKeys(chroot string) (list []string) {
	for _, s := range c.listSettings(chroot) {
		if s.Key != "path" {
			list = append(list, s.Key)
		}
	}
	return slices.Compact(list)
}

// ListRemovals lists what begins a setting that removes from a list of the chroot.
func (c *Completer) ListRemovals(chroot string) (list []string) {
	for _, s := range c.listSettings(chroot) {
		if s.Element {
			list = append(list, s.Key+"-=")
		}
	}
	return slices.Compact(list)
}

func (c *Completer) listSettings(chroot string) []config.Setting {
	conf, err := config.Load(c.Source)
	if err != nil {
		return nil
	}
	settings, _ := conf.Settings(chroot)
	return settings
}

// completion completes one command line.
type completion struct {
	*Completer
	chroot string // the value of --chroot
}

// completers complete the values of flags, by kind.
var completers = map[cli.ValueKind]func(c *completion, prefix, word string){
	cli.ChrootValue:    (*completion).completeChroots,
	cli.AccountValue:   (*completion).completeAccounts,
	cli.DirectoryValue: (*completion).completeDirectories,
	cli.IdentityValue:  completeChoices(cli.IdentityKinds),
	cli.HomeValue:      (*completion).completeHomes,
	cli.BindValue:      (*completion).completeBinds,
	cli.VariableValue:  (*completion).completeVariables,
	cli.FeatureValue:   (*completion).completeFeatures,
	cli.AppValue:       func(*completion, string, string) {}, // cannot be listed
	cli.FormValue:      completeChoices(cli.Forms),
}

// completeChoices completes one of a table's values.
func completeChoices(table []cli.Choice) func(c *completion, prefix, word string) {
	return func(c *completion, prefix, word string) {
		for _, choice := range table {
			c.offer(prefix, word, choice.Name, choice.Usage)
		}
	}
}

// completeLast completes the last word.
func (c *completion) completeLast(words []string) {
	last := len(words) - 1
	for i := 0; i < last; i++ {
		word := words[i]
		if word == "--" {
			c.completeCommand(words, i+1)
			return
		}
		if len(word) < 2 || word[0] != '-' {
			c.completeCommand(words, i)
			return
		}
		f, prefix, attached := splitFlag(word)
		if f == nil {
			continue
		}
		value := strings.TrimPrefix(word, prefix)
		if !attached {
			if i++; i == last {
				completers[f.Kind](c, "", words[i])
				return
			}
			value = words[i]
		}
		if f.Kind == cli.ChrootValue {
			c.chroot = value
		}
	}
	word := words[last]
	switch f, prefix, attached := splitFlag(word); {
	case attached:
		completers[f.Kind](c, prefix, word[len(prefix):])
	case strings.HasPrefix(word, "-"):
		for _, f := range cli.ChrunFlags {
			c.offer("", word, "--"+f.Name, f.About)
			if f.Short != "" {
				c.offer("", word, "-"+f.Short, f.About)
			}
		}
	default:
		c.completePrograms(word)
	}
}

// completeCommand completes COMMAND, word n, or one of its arguments.
func (c *completion) completeCommand(words []string, n int) {
	if n == len(words)-1 {
		c.completePrograms(words[n])
		return
	}
	fmt.Fprintf(c.Out, ":command %d\n", n+1) // chrun is word 0
}

// splitFlag finds the flag in a word that requires a value. prefix is the text before
// the value; if the value is not attached, it is the next word. The flag is nil if
// the word requires no value.
func splitFlag(word string) (f *cli.Flag, prefix string, attached bool) {
	if strings.HasPrefix(word, "--") {
		name, _, equals := strings.Cut(word, "=")
		for i := range cli.ChrunFlags {
			if f := &cli.ChrunFlags[i]; "--"+f.Name == name && f.Kind != cli.NoValue && (equals || f.Default == "") {
				return f, name + "=", equals
			}
		}
		return nil, "", false
	}
	if !strings.HasPrefix(word, "-") {
		return nil, "", false
	}
	for at := 1; at < len(word); at++ {
		for i := range cli.ChrunFlags {
			f, rest := &cli.ChrunFlags[i], word[at+1:]
			switch equals := strings.HasPrefix(rest, "="); {
			case f.Short != word[at:at+1] || f.Kind == cli.NoValue:
			case equals:
				return f, word[:at+2], true
			case f.Default == "":
				return f, word[:at+1], rest != ""
			}
		}
	}
	return nil, "", false
}

// offer prints value, after prefix, if value begins with word. Shells put it on the
// command line unchanged, so offer omits values with characters that are special to
// a shell.
func (c *completion) offer(prefix, word, value, about string) {
	if value == "" || !strings.HasPrefix(value, word) || strings.ContainsFunc(value, isUnsafe) {
		return
	}
	about = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(about, "?"))
	fmt.Fprintf(c.Out, "%s%s\t%s\n", prefix, value, about)
}

func isUnsafe(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_.,/+-", r)
}

// The values of flags, in the order of the table.

func (c *completion) completeChroots(prefix, word string) {
	if conf, err := config.Load(c.Source); err == nil {
		all, _ := conf.All()
		for _, ch := range all {
			c.offer(prefix, word, ch.Name, string(ch.Path))
		}
	}
	fmt.Fprintln(c.Out, ":directories", prefix)
}

func (c *completion) completeHomes(prefix, word string) {
	completeChoices(cli.HomeModes)(c, prefix, word)
	fmt.Fprintln(c.Out, ":directories", prefix)
}

func (c *completion) completeBinds(prefix, word string) {
	source, dest, ok := strings.Cut(word, ":")
	if !ok {
		fmt.Fprintln(c.Out, ":files", prefix)
		return
	}
	prefix += source + ":"
	c.offer(prefix, dest, "ro", "read-only")
	c.completePath(prefix, dest, true)
}

func (c *completion) completeVariables(prefix, word string) {
	for _, v := range c.Env {
		name, _, _ := strings.Cut(v, "=")
		c.offer(prefix, word, name, "")
	}
}

func (c *completion) completeFeatures(prefix, word string) {
	if i := strings.LastIndexByte(word, ',') + 1; i > 0 {
		prefix, word = prefix+word[:i], word[i:]
	}
	for _, f := range desktop.Features {
		c.offer(prefix, word, f.Name, f.Shares)
	}
	for _, group := range desktop.Groups() {
		var names []string
		found, _ := desktop.FeaturesNamed(group)
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
