package main

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"

	"chrun/desktop/export"
	"chrun/internal/chroots"
	"chrun/internal/cli"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// exportFlags are the flags of export, unexport and sync.
type exportFlags struct {
	export.Options
	dryRun, json, quiet, verbose bool
}

func (c *command) newExport() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Long: "Put programs of a chroot into the menu: their entries, icons and file types. APP is an ID, a program,\n" +
			"or the name that menus show. Files still open with the same programs as before. With --bin, put commands\n" +
			"into ~/.local/bin.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeApps(false),
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.All, "all", false, "all programs that the chroot offers; sync adds those installed later")
	flags.BoolVar(&f.Bin, "bin", false, "make commands: APP is a program, which needs no entry")
	flags.BoolVar(&f.Autostart, "autostart", false, "start programs at login: APP is one that the chroot's desktop would start; default: all")
	f.addCommon(cmd)
	flags.StringVar(&f.Label, "label", export.AutoLabel, "text after each name; auto: (NAME) if the host has the same name; empty: none")
	flags.StringVar(&f.Mime, "mime", "safe", "safe, or all: also claim types whose default would change")
	flags.BoolVar(&f.MakeEntry, "make-entry", false, "make an entry for a program that has none")
	flags.StringVar(&f.Name, "name", "", "with --make-entry: the name that menus show")
	flags.StringVar(&f.Icon, "icon", "", "with --make-entry: an icon's name or path in the chroot")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := f.check(cmd, args); err != nil {
			return err
		}
		root, err := c.openNamed(args[0])
		if err != nil {
			return err
		}
		defer root.Close()
		return c.update(args[0], root, &f, func(chooser *export.Chooser) (export.Named, error) {
			if cmd.Flags().Changed("label") {
				chooser.Label = f.Label
			}
			if cmd.Flags().Changed("mime") {
				chooser.ClaimTypes = f.Mime == "all"
			}
			chooser.Tree = string(root.Dir())
			return f.Add(chooser, args[1:])
		})
	}
	return cmd
}

// addCommon adds the flags that sync also has.
func (f *exportFlags) addCommon(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVarP(&f.dryRun, "dry-run", "n", false, "only print what would change")
	flags.BoolVar(&f.json, "json", false, "with -n: print JSON, for programs")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "also say what entries lost and which defaults are unchanged")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "print only errors")
}

// check finds mistakes in the flags and arguments.
func (f *exportFlags) check(cmd *cobra.Command, args []string) error {
	if err := f.Check(args); err != nil {
		return &cli.UsageError{Command: cmd.CommandPath(), Err: err}
	}
	return nil
}

func (c *command) newUnexport() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Long:              "Remove programs of a chroot from the menu, or with --bin commands from ~/.local/bin. Files that you\nhave changed stay and are listed.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeApps(true),
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.All, "all", false, "all programs, also commands")
	flags.BoolVar(&f.Bin, "bin", false, "commands")
	flags.BoolVar(&f.Autostart, "autostart", false, "programs that start at login; default: all")
	f.addCommon(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f.Mime = "safe"
		if err := f.check(cmd, args); err != nil {
			return err
		}
		root, err := c.openNamed(args[0])
		if root != nil {
			defer root.Close()
		}
		return c.update(args[0], root, &f, func(chooser *export.Chooser) (export.Named, error) {
			if err != nil && !chooser.Host.HasExports(args[0]) { // with exports, the chroot was deleted
				return export.Named{}, err
			}
			return export.Named{}, f.Remove(chooser, args[1:])
		})
	}
	return cmd
}

func (c *command) newSync() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Long: "Update the menu after programs were changed or removed in the chroots NAME; default: all that have\n" +
			"exports. After export --all, new programs are added too. Exports of deleted chroots are removed, and an\n" +
			"export that was interrupted is finished.",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: c.completeNames(100),
	}
	f.addCommon(cmd)
	changed := cmd.Flags().Bool("changed", false, "after programs were installed or removed, as chrun does it")
	cmd.Flags().MarkHidden("changed")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if *changed && len(args) == 1 {
			c.autoSync(args[0])
			return nil
		}
		h, err := c.describeHost()
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

// syncOne brings the exports of one chroot up to date.
func (c *command) syncOne(name string, hasExports bool, f *exportFlags) error {
	conf, err := config.Load(c.src)
	if err != nil {
		return err
	}
	exported, err := chroots.OpenExported(c.caller, conf, name, hasExports)
	if err != nil {
		return err
	}
	if exported.Root != nil {
		defer exported.Root.Close()
	}
	if exported.Note != "" && !f.quiet {
		c.warn(exported.Note)
	}
	return c.update(name, exported.Root, f, func(chooser *export.Chooser) (export.Named, error) {
		if exported.Forgotten {
			*chooser.Selection = export.Selection{Label: export.AutoLabel}
		}
		return export.Named{}, nil
	})
}

// update lets choose change the selection of a chroot and brings the host up to
// date with it. choose returns what the command line names.
func (c *command) update(name string, root *rootfs.Root, f *exportFlags, choose func(*export.Chooser) (export.Named, error)) error {
	debug.SetGCPercent(400) // the process ends soon
	h, err := c.describeHost()
	if err != nil {
		return err
	}
	set, err := export.Open(h, name, !f.dryRun)
	if err != nil {
		return &export.RunError{Chroot: name, Err: err}
	}
	defer set.Close()
	set.Explain = f.verbose
	selection := set.Selection()
	named, err := choose(&export.Chooser{Host: h, Chroot: name, Root: root, Selection: &selection})
	if err != nil {
		return err
	}
	plan, err := set.Plan(root, selection)
	if err != nil {
		return &export.RunError{Chroot: name, Err: err}
	}
	if f.dryRun && f.json {
		return c.out.JSON(plan)
	}
	var failed []error
	if !f.dryRun {
		if failed, err = set.Run(plan); err != nil {
			return &export.RunError{Chroot: name, Started: true, Err: err}
		}
	}
	level := export.Brief
	switch {
	case f.dryRun:
		level = export.Steps
	case f.verbose:
		level = export.Details
	}
	summary := export.Summarize(h, plan, named, level)
	if !f.quiet {
		c.printSummary(summary)
		if f.Bin && plan.MakesCommands(h) && !h.BinDirOnPath(c.caller.Env.Get("PATH")) {
			c.warn(h.BinDir + " is not on your PATH")
			c.warn("hint: add it in ~/.profile: PATH=$HOME/.local/bin:$PATH")
		}
	}
	c.printFailures(failed)
	return summary.Refused
}

func (c *command) printSummary(s export.Summary) {
	for _, line := range s.Changes {
		fmt.Fprintln(c.out, line)
	}
	for _, line := range s.Notes {
		c.warn(line)
	}
	if s.Idle && s.Refused == nil {
		fmt.Fprintln(c.out, "nothing to do")
	}
}
