package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"chrun/desktop"
	"chrun/internal/cli"
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
	choices(cli.HomeModes)(c, prefix, word)
	fmt.Fprintln(c.out, ":directories", prefix)
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
