package main

import (
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
	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// exportFlags are the flags of export, unexport and sync.
type exportFlags struct {
	all, bin, dryRun, json bool
	quiet                  bool
	label, mime            string
	makeEntry              bool
	name, icon             string
}

func (c *command) export() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Long: "Put programs of a chroot into the menu: their entries, icons and file types. APP is an ID, a program,\n" +
			"or the name that menus show. Files still open with the same programs as before. With --bin, put commands\n" +
			"into ~/.local/bin.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeApps(false),
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.all, "all", false, "everything that the chroot offers; sync adds what is installed later")
	flags.BoolVar(&f.bin, "bin", false, "commands: APP is a program and needs no entry")
	f.addCommon(cmd)
	flags.StringVar(&f.label, "label", export.AutoLabel, "text after each name; auto is (NAME) if the host has the same name, empty is none")
	flags.StringVar(&f.mime, "mime", "safe", "safe, or all: also claim types whose default would change")
	flags.BoolVar(&f.makeEntry, "make-entry", false, "make an entry for a program that has none")
	flags.StringVar(&f.name, "name", "", "with --make-entry: the shown name")
	flags.StringVar(&f.icon, "icon", "", "with --make-entry: an icon's name or path in the chroot")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := f.check(cmd, args); err != nil {
			return err
		}
		root, err := c.openNamed(args[0])
		if err != nil {
			return err
		}
		defer root.Close()
		return c.update(args[0], root, &f, func(chooser *export.Chooser) ([]string, error) {
			if cmd.Flags().Changed("label") {
				chooser.Label = f.label
			}
			if cmd.Flags().Changed("mime") {
				chooser.ClaimTypes = f.mime == "all"
			}
			chooser.Tree = string(root.Dir())
			return f.add(chooser, args[1:])
		})
	}
	return cmd
}

// addCommon adds the flags that sync has, too.
func (f *exportFlags) addCommon(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVarP(&f.dryRun, "dry-run", "n", false, "only print what would change")
	flags.BoolVar(&f.json, "json", false, "with -n: print JSON, for programs")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "print only errors")
}

// check finds mistakes in the flags and arguments.
func (f *exportFlags) check(cmd *cobra.Command, args []string) error {
	var err error
	switch {
	case f.mime != "safe" && f.mime != "all":
		err = fmt.Errorf("--mime is safe or all, not %q", f.mime)
	case strings.ContainsFunc(f.label, func(r rune) bool { return r < ' ' || r == 0x7f }):
		err = errors.New("--label has control characters")
	case f.makeEntry && f.bin, f.all && f.bin, f.all && f.makeEntry:
		err = errors.New("--all, --bin and --make-entry are mutually exclusive")
	case (f.name != "" || f.icon != "") && !f.makeEntry:
		err = errors.New("--name and --icon need --make-entry")
	case slices.Contains(args, ""):
		err = errors.New("a name is empty")
	case f.makeEntry && len(args) != 2:
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

// add adds words to the selection and returns the IDs of the apps among them.
func (f *exportFlags) add(chooser *export.Chooser, words []string) (ids []string, err error) {
	if f.all {
		chooser.AddAll()
		return nil, nil
	}
	for _, word := range words {
		id := ""
		switch {
		case f.makeEntry:
			id, err = chooser.AddCustomEntry(word, f.name, f.icon)
		case f.bin:
			err = chooser.AddCommand(word)
		default:
			id, err = chooser.AddApp(word)
		}
		if err != nil {
			return nil, err
		}
		if id != "" {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (c *command) unexport() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Long:              "Remove programs of a chroot from the menu, or with --bin commands from ~/.local/bin. Files that you\nhave changed stay and are listed.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeApps(true),
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.all, "all", false, "everything, commands too")
	flags.BoolVar(&f.bin, "bin", false, "commands")
	f.addCommon(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f.mime = "safe"
		if err := f.check(cmd, args); err != nil {
			return err
		}
		root, err := c.openNamed(args[0])
		if root != nil {
			defer root.Close()
		}
		return c.update(args[0], root, &f, func(chooser *export.Chooser) ([]string, error) {
			if err != nil && !chooser.Host.HasExports(args[0]) { // otherwise the chroot was deleted
				return nil, err
			}
			return nil, f.remove(chooser, args[1:])
		})
	}
	return cmd
}

// remove takes words out of the selection.
func (f *exportFlags) remove(chooser *export.Chooser, words []string) error {
	if f.all {
		chooser.RemoveAll()
	}
	for _, word := range words {
		remove := chooser.RemoveApp
		if f.bin {
			remove = chooser.RemoveCommand
		}
		if err := remove(word); err != nil {
			return err
		}
	}
	return nil
}

func (c *command) sync() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Long: "Update the menu after programs were changed or removed in the chroots NAME; default: all that have\n" +
			"exports. After export --all, new programs are added too. Exports of deleted chroots are removed, and an\n" +
			"export that was interrupted is finished.",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: c.names(100),
	}
	f.addCommon(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		h, err := c.host()
		if err != nil {
			return err
		}
		exported, err := h.ExportedChroots()
		if err != nil {
			return err
		}
		if len(args) == 0 {
			args = exported
		}
		var failed []error
		for _, name := range args {
			failed = append(failed, c.syncOne(name, slices.Contains(exported, name), &f))
		}
		return errors.Join(failed...)
	}
	return cmd
}

func (c *command) syncOne(name string, exported bool, f *exportFlags) error {
	root, err := c.openNamed(name)
	var unknown *config.UnknownError
	var chroot *cli.ChrootError
	forgotten := errors.As(err, &unknown)
	switch {
	case err == nil:
		defer root.Close()
	case forgotten && exported, errors.As(err, &chroot):
		if !f.quiet {
			why := err.Error()
			if forgotten {
				why = name + " has no configuration any more"
			}
			c.warn(why + ": its exports are removed")
		}
	default:
		return err
	}
	return c.update(name, root, f, func(chooser *export.Chooser) ([]string, error) {
		if forgotten {
			*chooser.Selection = export.Selection{Label: export.AutoLabel}
		}
		return nil, nil
	})
}

// update lets choose change what is selected of a chroot, and brings the host up
// to date with that. choose returns the IDs of the apps that were named now.
func (c *command) update(name string, root *rootfs.Root, f *exportFlags, choose func(*export.Chooser) (ids []string, err error)) error {
	debug.SetGCPercent(400) // the process ends soon
	h, err := c.host()
	if err != nil {
		return err
	}
	set, err := export.Open(h, name, !f.dryRun)
	if err != nil {
		return &export.Error{Verb: "export", What: name, Why: err.Error()}
	}
	defer set.Close()
	selection := set.Selection()
	ids, err := choose(&export.Chooser{Host: h, Chroot: name, Root: root, Selection: &selection})
	if err != nil {
		return err
	}
	plan, err := set.Plan(root, selection)
	if err != nil {
		return &export.Error{Verb: "export", What: name, Why: err.Error()}
	}
	if f.dryRun && f.json {
		return c.printJSON(plan)
	}
	var failed []error
	if !f.dryRun {
		if failed, err = set.Run(plan); err != nil {
			return explainRun(name, err)
		}
	}
	summary := export.Summarize(h, plan, ids, f.dryRun)
	if !f.quiet {
		c.printSummary(summary)
		if f.bin && plan.MakesCommands(h) && !h.BinDirOnPath(c.caller.Env.Get("PATH")) {
			c.warn(h.BinDir + " is not on your PATH")
			c.warn("hint: in ~/.profile: PATH=$HOME/.local/bin:$PATH")
		}
	}
	c.printFailures(failed)
	return summary.Refused
}

// explainRun says how to go on after a run that failed.
func explainRun(name string, err error) error {
	next := "to complete what was begun: chrunctl sync " + name
	var p *os.PathError
	if errors.As(err, &p) && (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)) {
		next = "may you write there? ls -ld " + session.Quote(path.Dir(p.Path))
	}
	return &export.Error{Verb: "export", What: name, Why: err.Error(), Next: next}
}

func (c *command) printSummary(s export.Summary) {
	for _, line := range s.Changes {
		fmt.Fprintln(c.out, line)
	}
	for _, line := range s.Notes {
		c.warn(line)
	}
	if s.Idle {
		fmt.Fprintln(c.out, "nothing to do")
	}
}
