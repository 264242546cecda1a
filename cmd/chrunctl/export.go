package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"chrun/desktop/export"
	"chrun/session"
	"chrun/session/rootfs"
)

// exportFlags are those of export and unexport.
type exportFlags struct {
	all, bin, dry, json bool
	quiet               bool
	label, mime         string
	make                bool
	name, icon          string
}

func (c *command) export() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export NAME [APP...]",
		Short: "Put programs of a chroot into the menu",
		Long: "Put programs of a chroot into the menu: their entries, icons and types. APP is an id, a program or a\n" +
			"shown name. What opened a file before still does. With --bin, put commands into ~/.local/bin.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeApps(false),
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.all, "all", false, "all that the chroot offers, and with sync what comes later")
	flags.BoolVar(&f.bin, "bin", false, "commands: APP is a program, which needs no entry")
	f.common(cmd)
	flags.StringVar(&f.label, "label", export.AutoLabel, "behind each name; auto is (NAME) where the host has the same one, empty is none")
	flags.StringVar(&f.mime, "mime", "safe", "all: types too whose default moves")
	flags.BoolVar(&f.make, "make-entry", false, "make an entry for a program that has none")
	flags.StringVar(&f.name, "name", "", "with --make-entry: the shown name")
	flags.StringVar(&f.icon, "icon", "", "with --make-entry: an icon's name or path in the chroot")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := f.check(cmd, args); err != nil {
			return err
		}
		root, err := c.exportable(args[0])
		if err != nil {
			return err
		}
		defer root.Close()
		return c.reexport(args[0], root, &f, func(h *export.Host, asked *export.Selection) ([]string, error) {
			if cmd.Flags().Changed("label") {
				asked.Label = f.label
			}
			if cmd.Flags().Changed("mime") {
				asked.ClaimTypes = f.mime == "all"
			}
			return f.ask(h, root, args, asked)
		})
	}
	return cmd
}

// common adds the flags that sync has, too.
func (f *exportFlags) common(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVarP(&f.dry, "dry-run", "n", false, "say what would be done")
	flags.BoolVar(&f.json, "json", false, "with -n: for programs")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing but errors")
}

func (f *exportFlags) check(cmd *cobra.Command, args []string) error {
	var err error
	switch {
	case f.mime != "safe" && f.mime != "all":
		err = fmt.Errorf("--mime is safe or all, not %q", f.mime)
	case strings.ContainsFunc(f.label, func(r rune) bool { return r < ' ' || r == 0x7f }):
		err = errors.New("--label has control characters")
	case f.make && f.bin, f.all && f.bin, f.all && f.make:
		err = errors.New("--all, --bin and --make-entry go one at a time")
	case (f.name != "" || f.icon != "") && !f.make:
		err = errors.New("--name and --icon go with --make-entry")
	case slices.Contains(args, ""):
		err = errors.New("a name is empty")
	case f.make && len(args) != 2:
		err = errors.New("--make-entry takes one program")
	case f.all && len(args) > 1:
		err = errors.New("--all takes no APP")
	case !f.all && len(args) == 1:
		err = errors.New("name an APP, or --all: chrunctl apps " + args[0])
	}
	if err != nil {
		return &usageError{cmd.CommandPath(), err}
	}
	return nil
}

// ask adds to what is asked, and says which ids of the chroot are meant.
func (f *exportFlags) ask(h *export.Host, root *rootfs.Root, args []string, asked *export.Selection) (ids []string, err error) {
	asked.Tree = string(root.Dir())
	switch {
	case f.all:
		asked.All, asked.Except = true, nil
		return nil, nil
	case f.make:
		return f.makeEntry(h, root, args[0], args[1], asked)
	}
	apps := export.ListApps(root)
	for _, word := range args[1:] {
		if f.bin {
			if err := askBin(root, args[0], word, asked); err != nil {
				return nil, err
			}
			continue
		}
		id, err := findApp(h, root, apps, args[0], word)
		if err != nil {
			return nil, err
		}
		asked.Except = slices.DeleteFunc(asked.Except, func(e string) bool { return e == id })
		if !asked.All {
			asked.Apps = with(asked.Apps, id)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func with(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func askBin(root *rootfs.Root, name, program string, asked *export.Selection) error {
	if export.FindProgram(root, program) == "" {
		return &menuError{session.Quote(program), "the chroot has no such program", "chrun -c " + name + " sh -c 'ls /usr/bin'"}
	}
	base := path.Base(program)
	asked.Commands = slices.DeleteFunc(asked.Commands, func(b string) bool { return path.Base(b) == base })
	asked.Commands = append(asked.Commands, program)
	return nil
}

// findApp is the id of the one app that word means.
func findApp(h *export.Host, root *rootfs.Root, apps []export.App, name, word string) (string, error) {
	found := export.FindApps(apps, word, h.Locale)
	// A program may have entries that no menu shows, beside the one that is meant.
	if len(found) > 1 {
		if shown := slices.DeleteFunc(slices.Clone(found), func(a export.App) bool { return a.Entry == nil || !a.Entry.IsShown(h.Desktops) }); len(shown) > 0 {
			found = shown
		}
	}
	switch {
	case len(found) == 1:
		return found[0].ID, nil
	case len(found) > 1:
		var ids []string
		for _, a := range found {
			ids = append(ids, session.Quote(printable(a.ID)))
		}
		return "", &menuError{session.Quote(word), "it may be " + strings.Join(ids, ", "), "chrunctl export " + name + " " + ids[0]}
	}
	near, why := nearest(apps, word), "the chroot has no such program"
	has := export.FindProgram(root, word) != ""
	if has {
		why = "the program has no entry in the chroot"
	}
	if near != "" {
		why += "; is it " + near + "?"
	}
	hint := "chrunctl apps " + name
	switch {
	case has && near != "":
		hint = "chrunctl export " + name + " " + session.Quote(near) + "; an entry of its own: --make-entry --name TEXT; for the terminal: --bin"
	case has:
		hint = fmt.Sprintf("for the menu: chrunctl export %s %s --make-entry --name TEXT; for the terminal: chrunctl export %[1]s %[2]s --bin", name, session.Quote(word))
	}
	return "", &menuError{session.Quote(word), why, hint}
}

// nearest is an id that holds the word, or that the word holds.
func nearest(apps []export.App, word string) string {
	word = strings.ToLower(word)
	for _, a := range apps {
		if id := strings.ToLower(a.ID); a.Err == nil && id != word && (strings.Contains(id, word) || strings.Contains(word, id)) {
			return printable(a.ID)
		}
	}
	return ""
}

func (f *exportFlags) makeEntry(h *export.Host, root *rootfs.Root, name, program string, asked *export.Selection) ([]string, error) {
	if export.FindProgram(root, program) == "" {
		return nil, &menuError{session.Quote(program), "the chroot has no such program", "chrunctl apps " + name}
	}
	base := path.Base(program)
	if found := export.FindApps(export.ListApps(root), base, h.Locale); len(found) > 0 {
		return nil, &menuError{session.Quote(program), "it has an entry already, " + found[0].ID, "chrunctl export " + name + " " + found[0].ID}
	}
	m := export.CustomEntry{Program: program, Name: f.name, Icon: f.icon}
	if m.Name == "" {
		m.Name = base
	}
	asked.CustomEntries = slices.DeleteFunc(asked.CustomEntries, func(o export.CustomEntry) bool { return path.Base(o.Program) == base })
	asked.CustomEntries = append(asked.CustomEntries, m)
	return []string{base}, nil
}

// reexport changes what is asked of a chroot, and makes it true.
func (c *command) reexport(name string, root *rootfs.Root, f *exportFlags, ask func(*export.Host, *export.Selection) (ids []string, err error)) error {
	debug.SetGCPercent(400) // it ends soon
	h, err := c.host()
	if err != nil {
		return err
	}
	set, err := export.Open(h, name, !f.dry)
	if err != nil {
		return &menuError{name, err.Error(), ""}
	}
	defer set.Close()
	asked := set.Selection()
	ids, err := ask(h, &asked)
	if err != nil {
		return err
	}
	plan, err := set.Plan(root, asked)
	if err != nil {
		return &menuError{name, err.Error(), ""}
	}
	if f.dry && f.json {
		e := json.NewEncoder(c.out)
		e.SetIndent("", "  ")
		return e.Encode(plan)
	}
	var failed []error
	if !f.dry {
		if failed, err = set.Run(plan); err != nil {
			hint := "what was begun is completed by: chrunctl sync " + name
			var p *os.PathError
			if errors.As(err, &p) && (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)) {
				hint = "may you write there? ls -ld " + session.Quote(path.Dir(p.Path))
			}
			return &menuError{name, err.Error(), hint}
		}
	}
	if !f.quiet {
		c.tell(h, plan, ids, f)
	}
	c.failures(failed)
	return refused(h, plan, ids)
}

// refused is an error for what was named and is not exported.
func refused(h *export.Host, p *export.Plan, ids []string) error {
	var all []error
	for _, n := range p.Notes {
		if n.Refusal != "" && slices.Contains(ids, n.ID) {
			all = append(all, &menuError{session.Quote(n.ID), printable(n.Refusal), ""})
		}
	}
	for _, s := range p.Steps {
		if s.Op == export.Keep && s.Why == export.Foreign && path.Dir(s.Path) == h.BinDir {
			all = append(all, &menuError{session.Quote(path.Base(s.Path)), s.Path + " exists: " + s.Why.String(), "if it is another chroot's: chrunctl unexport THAT --bin " + session.Quote(path.Base(s.Path))})
		}
	}
	return errors.Join(all...)
}

// tell says what a plan does. ids are the apps that were named now: all is said
// of them.
func (c *command) tell(h *export.Host, p *export.Plan, ids []string, f *exportFlags) {
	changed := map[string]bool{}
	counts := map[export.Op]int{}
	for _, s := range p.Steps {
		counts[s.Op]++
		switch id, isEntry := strings.CutSuffix(path.Base(s.Path), ".desktop"); {
		case f.dry:
			fmt.Fprintln(c.out, printable(strings.TrimSpace(string(s.Op)+" "+s.Path+"  "+s.Why.String())))
		case s.Op == export.Keep && s.Why == export.Foreign && path.Dir(s.Path) == h.BinDir: // that is an error
		case s.Op == export.Keep:
			fmt.Fprintf(c.err, "chrunctl: %s stays as it is: %s\n", printable(s.Path), s.Why)
		case isEntry:
			changed[id] = true
			fmt.Fprintf(c.out, "%s %s\n", printable(id), map[export.Op]string{export.Write: "is in the menu", export.Replace: "has changed", export.Remove: "is out of the menu"}[s.Op])
		case path.Dir(s.Path) == h.BinDir:
			fmt.Fprintf(c.out, "%s %s\n", s.Path, map[export.Op]string{export.Write: "is there", export.Replace: "has changed", export.Remove: "is gone"}[s.Op])
		}
	}
	idle := counts[export.Write]+counts[export.Replace]+counts[export.Remove] == 0
	for _, n := range p.Notes {
		as := p.IDs[n.ID]
		if n.Refusal != "" && slices.Contains(ids, n.ID) {
			continue // that is an error
		}
		if f.dry || changed[as] || as == "" && (!idle || slices.Contains(ids, n.ID)) {
			fmt.Fprintln(c.err, "chrunctl: "+printable(strings.TrimSpace(n.ID+" "+n.Text)))
		}
	}
	if idle {
		fmt.Fprintln(c.out, "nothing is to be done")
	}
	if f.bin && !c.onPath(h.BinDir) && counts[export.Write] > 0 {
		fmt.Fprintf(c.err, "chrunctl: %s is not on your PATH\nchrunctl: hint: in ~/.profile: PATH=$HOME/.local/bin:$PATH\n", h.BinDir)
	}
}

// completeApps completes NAME, then what can be exported of it, or is.
func (c *command) completeApps(exported bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return c.names(1)(cmd, args, word)
		}
		var words []string
		c.offered(args[0], func(h *export.Host, root *rootfs.Root, set *export.Set) error {
			for _, a := range export.ListApps(root) {
				if a.Err == nil && (set.ExportedID(a.ID) != "") == exported {
					words = append(words, a.ID+"\t"+printable(a.Entry.Localised("Name", h.Locale)))
				}
			}
			return nil
		})
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}
