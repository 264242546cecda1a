package export

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Options are the flags of export and unexport.
type Options struct {
	All, Bin   bool
	Autostart  bool
	MakeEntry  bool
	Name, Icon string // with MakeEntry
	Label      string
	Mime       string // safe or all
}

// Check finds mistakes in the options and the arguments, which are the name of
// the chroot and the words for apps.
func (o *Options) Check(args []string) error {
	switch {
	case o.Mime != "safe" && o.Mime != "all":
		return fmt.Errorf("--mime does not accept %q: it is one of safe, all", o.Mime)
	case strings.ContainsFunc(o.Label, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("--label contains control characters")
	case o.MakeEntry && o.Bin, o.All && o.Bin, o.All && o.MakeEntry:
		return errors.New("--all, --bin and --make-entry are mutually exclusive")
	case o.Autostart && (o.All || o.Bin || o.MakeEntry):
		return errors.New("--autostart and --all, --bin or --make-entry are mutually exclusive")
	case (o.Name != "" || o.Icon != "") && !o.MakeEntry:
		return errors.New("--name and --icon require --make-entry")
	case slices.Contains(args, ""):
		return errors.New("an argument is empty")
	case o.MakeEntry && len(args) != 2:
		return errors.New("--make-entry requires one program")
	case o.All && len(args) > 1:
		return errors.New("--all does not take an APP")
	case !o.All && !o.Autostart && len(args) == 1:
		return errors.New("name an APP, or --all: chrunctl apps " + args[0])
	}
	return nil
}

// Add adds words to the selection and returns what they name.
func (o *Options) Add(c *Chooser, words []string) (n Named, err error) {
	if o.All {
		c.AddAll()
		return Named{All: true}, nil
	}
	if o.Autostart {
		if len(words) == 0 {
			words = []string{""}
		}
		for _, word := range words {
			ids, err := c.AddAutostart(word)
			if err != nil {
				return n, err
			}
			n.Apps = append(n.Apps, ids...)
		}
		return n, nil
	}
	for _, word := range words {
		id := ""
		switch {
		case o.MakeEntry:
			id, err = c.AddCustomEntry(word, o.Name, o.Icon)
		case o.Bin:
			err = c.AddCommand(word)
			n.Commands = append(n.Commands, path.Base(word))
		default:
			id, err = c.AddApp(word)
		}
		if err != nil {
			return n, err
		}
		if id != "" {
			n.Apps = append(n.Apps, id)
		}
	}
	return n, nil
}

// Remove takes words out of the selection.
func (o *Options) Remove(c *Chooser, words []string) error {
	if o.All {
		c.RemoveAll()
	}
	if o.Autostart && len(words) == 0 {
		words = []string{""}
	}
	for _, word := range words {
		remove := c.RemoveApp
		if o.Autostart {
			remove = c.RemoveAutostart
		}
		if o.Bin {
			remove = c.RemoveCommand
		}
		if err := remove(word); err != nil {
			return err
		}
	}
	return nil
}
