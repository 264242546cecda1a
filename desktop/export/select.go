package export

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// A Chooser finds what the words of a command line mean and changes a selection.
// Its errors are *Error.
type Chooser struct {
	Host   *Host
	Chroot string       // its name
	Root   *rootfs.Root // nil if the chroot no longer exists
	*Selection

	apps []App  // of Root, once they are needed
	verb string // "unexport", or "" for export
}

func (c *Chooser) listApps() []App {
	if c.apps == nil && c.Root != nil {
		c.apps = ListApps(c.Root)
	}
	return c.apps
}

// AddAll selects every app that the chroot shows in menus.
func (c *Chooser) AddAll() { c.All, c.Apps, c.Except = true, nil, nil }

// AddApp selects the app that word names by ID, program or shown name, and
// returns its ID.
func (c *Chooser) AddApp(word string) (id string, err error) {
	if id, err = c.findApp(word); err != nil {
		return "", err
	}
	c.Except = slices.DeleteFunc(c.Except, func(e string) bool { return e == id })
	if !slices.Contains(c.Apps, id) { // Plan removes it if All includes it
		c.Apps = append(c.Apps, id)
	}
	return id, nil
}

// AddCommand selects a program that gets a command in Host.BinDir.
func (c *Chooser) AddCommand(program string) error {
	if FindProgram(c.Root, program) == "" {
		return c.fail(program, "the chroot has no such program", "chrun -c "+c.Chroot+" sh -c 'ls /usr/bin'")
	}
	c.removeCommand(program)
	c.Commands = append(c.Commands, program)
	return nil
}

// AddCustomEntry selects a program that has no entry in the chroot. name is what
// menus show, or "" for the program's own; icon may be "". It returns the ID.
func (c *Chooser) AddCustomEntry(program, name, icon string) (id string, err error) {
	if FindProgram(c.Root, program) == "" {
		return "", c.fail(program, "the chroot has no such program", "chrunctl apps "+c.Chroot)
	}
	base := path.Base(program)
	if found := FindApps(c.listApps(), base, c.Host.Locale); len(found) > 0 {
		return "", c.fail(program, "it already has an entry, "+found[0].ID, "chrunctl export "+c.Chroot+" "+found[0].ID)
	}
	if name == "" {
		name = base
	}
	c.CustomEntries = slices.DeleteFunc(c.CustomEntries, func(o CustomEntry) bool { return path.Base(o.Program) == base })
	c.CustomEntries = append(c.CustomEntries, CustomEntry{Program: program, Name: name, Icon: icon})
	return base, nil
}

// RemoveAll selects nothing.
func (c *Chooser) RemoveAll() { *c.Selection = Selection{Tree: c.Tree, Label: AutoLabel} }

// RemoveCommand takes a command out of the selection.
func (c *Chooser) RemoveCommand(word string) error {
	if !c.removeCommand(word) {
		return c.notExported(word)
	}
	return nil
}

func (c *Chooser) removeCommand(program string) (removed bool) {
	before := len(c.Commands)
	c.Commands = slices.DeleteFunc(c.Commands, func(o string) bool { return path.Base(o) == path.Base(program) })
	return len(c.Commands) < before
}

// RemoveApp takes an app out of the selection. word is as for AddApp, or the ID on
// the host, or the name of a custom entry.
func (c *Chooser) RemoveApp(word string) error {
	c.verb = "unexport"
	name := strings.TrimSuffix(word, ".desktop")
	for _, id := range []string{word, name, strings.TrimSuffix(word, "."+c.Chroot), strings.TrimSuffix(name, "."+c.Chroot)} {
		if c.removeID(id) {
			return nil
		}
	}
	for _, e := range c.CustomEntries {
		if e.Name == word && c.removeID(path.Base(e.Program)) {
			return nil
		}
	}
	if c.Root == nil {
		return c.notExported(word)
	}
	id, err := c.findApp(word)
	if err == nil && !c.removeID(id) {
		err = c.notExported(word)
	}
	return err
}

// removeID takes the app with exactly this ID out of the selection. It reports
// whether it was selected.
func (c *Chooser) removeID(id string) bool {
	before := len(c.CustomEntries) + len(c.Apps)
	c.CustomEntries = slices.DeleteFunc(c.CustomEntries, func(e CustomEntry) bool { return path.Base(e.Program) == id })
	c.Apps = slices.DeleteFunc(c.Apps, func(a string) bool { return a == id })
	removed := len(c.CustomEntries)+len(c.Apps) < before
	if c.All && !slices.Contains(c.Except, id) && slices.ContainsFunc(c.listApps(), func(a App) bool { return a.ID == id }) {
		c.Except, removed = append(c.Except, id), true
	}
	return removed
}

func (c *Chooser) notExported(word string) error {
	return &Error{"unexport", session.Quote(word), "it is not exported", "to list what is: chrunctl apps " + c.Chroot + "; for a command in ~/.local/bin: --bin"}
}

func (c *Chooser) fail(word, why, next string) error {
	return &Error{cmp.Or(c.verb, "export"), session.Quote(word), why, next}
}

// findApp returns the ID of the only app that word can mean.
func (c *Chooser) findApp(word string) (id string, err error) {
	found := FindApps(c.listApps(), word, c.Host.Locale)
	// A program may also have entries that no menu shows.
	if len(found) > 1 {
		shown := slices.DeleteFunc(slices.Clone(found), func(a App) bool { return a.Entry == nil || !a.Entry.IsShown(c.Host.Desktops) })
		if len(shown) > 0 {
			found = shown
		}
	}
	switch len(found) {
	case 0:
		return "", c.explainMissing(word)
	case 1:
		return found[0].ID, nil
	}
	var ids []string
	for _, a := range found {
		ids = append(ids, session.Quote(session.Printable(a.ID)))
	}
	return "", c.fail(word, "it can mean "+strings.Join(ids, ", "), "chrunctl "+cmp.Or(c.verb, "export")+" "+c.Chroot+" "+ids[0])
}

// explainMissing says why no app has the name word, and what to do instead.
func (c *Chooser) explainMissing(word string) error {
	near, why, next := nearApps(c.listApps(), word), "the chroot has no such program", "chrunctl apps "+c.Chroot
	isProgram := FindProgram(c.Root, word) != ""
	if isProgram {
		why = "the program has no entry in the chroot"
	}
	if len(near) > 0 {
		var names []string
		for _, a := range near {
			names = append(names, session.Printable(a.ID+" ("+a.Entry.Localised("Name", c.Host.Locale)+")"))
		}
		why += "; entries with such a name: " + strings.Join(names, ", ")
	}
	line := func(words ...string) string {
		return session.Quote(append([]string{"chrunctl", cmp.Or(c.verb, "export"), c.Chroot}, words...)...)
	}
	switch {
	case len(near) > 0:
		next = line(session.Printable(near[0].ID))
	case c.verb != "":
	case isProgram:
		next = "for the menu: " + line(word, "--make-entry", "--name", "TEXT") + "; for the terminal: " + line(word, "--bin")
	}
	return c.fail(word, why, next)
}

// maxNear is how many entries a message names.
const maxNear = 5

// nearApps returns the apps whose ID, program or name contains the word, or whose
// ID the word contains. Those that menus show come first.
func nearApps(apps []App, word string) (near []App) {
	word = strings.ToLower(word)
	if len(word) < 3 {
		return nil
	}
	for _, hidden := range []bool{false, true} {
		for _, a := range apps {
			if a.Err != nil || !isValidID(a.ID) || a.Entry.Bool("NoDisplay") != hidden {
				continue
			}
			id := strings.ToLower(a.ID)
			text := id + "\n" + strings.ToLower(path.Base(a.Entry.Program())+"\n"+a.Entry.String("Name"))
			if strings.Contains(text, word) || len(id) > 2 && strings.Contains(word, id) {
				near = append(near, a)
			}
		}
	}
	return near[:min(maxNear, len(near))]
}
