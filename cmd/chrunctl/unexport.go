package main

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"chrun/desktop/export"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

func (c *command) unexport() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:               "unexport NAME [APP...]",
		Short:             "Take programs of a chroot out of the menu",
		Long:              "Take programs of a chroot out of the menu, or with --bin commands out of ~/.local/bin. What you\nhave changed in them stays, and is named.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeApps(true),
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.all, "all", false, "all, commands too")
	flags.BoolVar(&f.bin, "bin", false, "commands")
	f.common(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f.mime = "safe"
		if err := f.check(cmd, args); err != nil {
			return err
		}
		root, err := c.exportable(args[0])
		if root != nil {
			defer root.Close()
		}
		return c.reexport(args[0], root, &f, func(h *export.Host, asked *export.Selection) ([]string, error) {
			if err != nil && !h.HasExports(args[0]) { // else it has vanished
				return nil, err
			}
			if f.all {
				*asked = export.Selection{Tree: asked.Tree, Label: export.AutoLabel}
				return nil, nil
			}
			for _, word := range args[1:] {
				if err := f.unask(h, root, args[0], word, asked); err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
	}
	return cmd
}

// unask takes one word from what is asked.
func (f *exportFlags) unask(h *export.Host, root *rootfs.Root, name, word string, asked *export.Selection) error {
	missing := &notExported{session.Quote(word), name}
	if f.bin {
		before := len(asked.Commands)
		asked.Commands = slices.DeleteFunc(asked.Commands, func(b string) bool { return path.Base(b) == path.Base(word) })
		if len(asked.Commands) == before {
			return missing
		}
		return nil
	}
	before := len(asked.CustomEntries) + len(asked.Apps)
	id := strings.TrimSuffix(strings.TrimSuffix(word, ".desktop"), "."+name)
	asked.CustomEntries = slices.DeleteFunc(asked.CustomEntries, func(m export.CustomEntry) bool { return path.Base(m.Program) == id || m.Name == word })
	asked.Apps = slices.DeleteFunc(asked.Apps, func(a string) bool { return a == id })
	if len(asked.CustomEntries)+len(asked.Apps) < before {
		return nil
	}
	if root == nil {
		return missing
	}
	id, err := findApp(h, root, export.ListApps(root), name, word)
	switch {
	case err != nil:
		return err
	case slices.Contains(asked.Apps, id):
		asked.Apps = slices.DeleteFunc(asked.Apps, func(a string) bool { return a == id })
	case asked.All && !slices.Contains(asked.Except, id):
		asked.Except = append(asked.Except, id)
	default:
		return missing
	}
	return nil
}

func (c *command) sync() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "sync [NAME...]",
		Short: "Bring the menu up to date with a chroot",
		Long: "Bring the menu up to date with chroots, all of which something is exported if none is named: what was\n" +
			"installed (with export --all), changed or removed there. What is exported of a chroot that has vanished\ngoes; a run of export that was killed is completed.",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: c.names(100),
	}
	f.common(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		h, err := c.host()
		if err != nil {
			return err
		}
		names, err := h.ExportedChroots()
		if err != nil {
			return err
		}
		if len(args) == 0 {
			args = names
		}
		var failed []error
		for _, name := range args {
			failed = append(failed, c.syncOne(name, slices.Contains(names, name), &f))
		}
		return errors.Join(failed...)
	}
	return cmd
}

func (c *command) syncOne(name string, exported bool, f *exportFlags) error {
	root, err := c.exportable(name)
	var unknown *config.UnknownError
	var tree *treeError
	forgotten := errors.As(err, &unknown)
	switch {
	case err == nil:
		defer root.Close()
	case forgotten && exported, errors.As(err, &tree):
		if !f.quiet {
			why := err.Error()
			if forgotten {
				why = name + " is configured no longer"
			}
			fmt.Fprintf(c.err, "chrunctl: %s: what was exported of it goes\n", why)
		}
	default:
		return err
	}
	return c.reexport(name, root, f, func(_ *export.Host, asked *export.Selection) ([]string, error) {
		if forgotten {
			*asked = export.Selection{Label: export.AutoLabel}
		}
		return nil, nil
	})
}
