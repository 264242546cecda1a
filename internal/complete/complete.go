// Package complete lists what can stand at the cursor of chrun's command line, and
// the values of chrunctl's settings. chrunctl serves it, so that a launch does not
// pay for it. It prints a line for each word that can stand there, a tab and what
// that is, or
//
//	:files PREFIX          files, after PREFIX in the word
//	:directories PREFIX    directories
//	:command N             what the shell knows about the command at word N
package complete

import (
	"bytes"
	"fmt"
	"io"
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

// Line completes the last of the words of chrun's command line.
func (c *Completer) Line(words []string) { (&completion{Completer: c}).line(words) }

// Setting completes the value after KEY= in a setting of a chroot.
func (c *Completer) Setting(chroot, key, value string) (list []string) {
	var out bytes.Buffer
	own := *c
	own.Out = &out
	comp, prefix := &completion{Completer: &own, chroot: chroot}, key+"="
	name := strings.TrimSuffix(key[strings.LastIndexByte(key, '.')+1:], "+")
	if name == "personality" {
		choices(cli.Personalities)(comp, prefix, value)
	}
	for _, f := range cli.ChrunFlags {
		if f.Name == name && f.Kind != cli.NoValue {
			values[f.Kind](comp, prefix, value)
		}
	}
	for line := range strings.Lines(out.String()) {
		if line[0] != ':' {
			list = append(list, strings.TrimSuffix(line, "\n"))
		}
	}
	return list
}

// Keys are the keys that a setting can begin with.
func Keys() (list []string) {
	for _, k := range cli.Keys {
		list = append(list, k.Word)
	}
	return list
}

// UsedKeys are the keys that a chroot has and that can be unset.
func (c *Completer) UsedKeys(chroot string) (list []string) {
	conf, err := config.Load(c.Source)
	if err != nil {
		return nil
	}
	settings, _ := conf.Settings(chroot)
	for _, s := range settings {
		if s.Key != "path" {
			list = append(list, s.Key)
		}
	}
	return list
}

// completion completes one command line.
type completion struct {
	*Completer
	chroot string // the value of --chroot
}

// values completes the value of a flag of each kind.
var values = map[cli.ValueKind]func(c *completion, prefix, word string){
	cli.ChrootValue:    (*completion).chroots,
	cli.AccountValue:   (*completion).accounts,
	cli.DirectoryValue: (*completion).directories,
	cli.IdentityValue:  choices(cli.IdentityKinds),
	cli.HomeValue:      (*completion).homes,
	cli.BindValue:      (*completion).binds,
	cli.VariableValue:  (*completion).variables,
	cli.FeatureValue:   (*completion).features,
	cli.AppValue:       func(*completion, string, string) {}, // cannot be listed
	cli.FormValue:      choices(cli.Forms),
}

// choices completes one of a table's values.
func choices(table []cli.Choice) func(c *completion, prefix, word string) {
	return func(c *completion, prefix, word string) {
		for _, choice := range table {
			c.offer(prefix, word, choice.Name, choice.Usage)
		}
	}
}

// line completes the last word.
func (c *completion) line(words []string) {
	last := len(words) - 1
	for i := 0; i < last; i++ {
		word := words[i]
		if word == "--" {
			c.afterFlags(words, i+1)
			return
		}
		if len(word) < 2 || word[0] != '-' {
			c.afterFlags(words, i)
			return
		}
		f, prefix, glued := split(word)
		if f == nil {
			continue
		}
		value := strings.TrimPrefix(word, prefix)
		if !glued {
			if i++; i == last {
				values[f.Kind](c, "", words[i])
				return
			}
			value = words[i]
		}
		if f.Kind == cli.ChrootValue {
			c.chroot = value
		}
	}
	word := words[last]
	switch f, prefix, glued := split(word); {
	case glued:
		values[f.Kind](c, prefix, word[len(prefix):])
	case strings.HasPrefix(word, "-"):
		for _, f := range cli.ChrunFlags {
			c.offer("", word, "--"+f.Name, f.About)
			if f.Short != "" {
				c.offer("", word, "-"+f.Short, f.About)
			}
		}
	default:
		c.programs(word)
	}
}

// afterFlags completes COMMAND, word n, or one of its arguments.
func (c *completion) afterFlags(words []string, n int) {
	if n == len(words)-1 {
		c.programs(words[n])
		return
	}
	fmt.Fprintf(c.Out, ":command %d\n", n+1) // chrun is word 0
}

// split finds the flag in a word that has, or lacks, its value. prefix is what
// stands before the value; if the value is not glued to it, it is the next word.
// The flag is nil if the word is complete without a value.
func split(word string) (f *cli.Flag, prefix string, glued bool) {
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

// offer prints value, after prefix, if it begins with word. Shells put it on the
// command line unchanged, so values with characters that mean something to a
// shell are left out.
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

func (c *completion) chroots(prefix, word string) {
	if conf, err := config.Load(c.Source); err == nil {
		all, _ := conf.All()
		for _, ch := range all {
			c.offer(prefix, word, ch.Name, string(ch.Path))
		}
	}
	fmt.Fprintln(c.Out, ":directories", prefix)
}

func (c *completion) homes(prefix, word string) {
	choices(cli.HomeModes)(c, prefix, word)
	fmt.Fprintln(c.Out, ":directories", prefix)
}

func (c *completion) binds(prefix, word string) {
	source, dest, ok := strings.Cut(word, ":")
	if !ok {
		fmt.Fprintln(c.Out, ":files", prefix)
		return
	}
	prefix += source + ":"
	c.offer(prefix, dest, "ro", "read-only")
	c.inside(prefix, dest, true)
}

func (c *completion) variables(prefix, word string) {
	for _, v := range c.Env {
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
