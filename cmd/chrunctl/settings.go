package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"chrun/internal/chroots"
	"chrun/internal/cli"
	"chrun/internal/complete"
	"chrun/session/config"
	"chrun/session/rootfs"
)

func (c *command) newSet() *cobra.Command {
	cmd := &cobra.Command{
		Long: "Change settings of a chroot. If there is a mistake, none of them changes.\n" +
			"Comments and the order of the file are kept.\n" + cli.KeysHelp(),
		Example: "  chrunctl set gentoo home=private bind+=/data:ro deny=gpu,sound\n" +
			"  chrunctl set gentoo deny-=gpu\n" +
			"  chrunctl set gentoo app.firefox-bin.env.MOZ_ENABLE_WAYLAND=1",
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: c.completeEdits,
	}
	force := cmd.Flags().Bool("force", false, "also set directories that do not exist")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		var edits []config.Edit
		for _, s := range args[1:] {
			e, err := config.ParseEdit(s)
			if err == nil && slices.Equal(e.Key, []string{"path"}) {
				var tree rootfs.HostPath
				tree, err = chroots.FindTree(c.caller, e.Value.(string))
				e.Value = string(tree)
			}
			if err == nil && !*force {
				err = chroots.CheckEdit(c.caller, &e)
			}
			if err != nil {
				return err
			}
			edits = append(edits, e)
		}
		return c.change(args[0], edits)
	}
	return cmd
}

func (c *command) newUnset() *cobra.Command {
	return &cobra.Command{
		Long:              "Remove settings of a chroot; env or app.COMMAND removes a whole table.\n" + cli.KeysHelp(),
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: c.completeKeys,
		RunE: func(_ *cobra.Command, args []string) error {
			var edits []config.Edit
			for _, s := range args[1:] {
				edits = append(edits, config.ParseUnset(s))
			}
			return c.change(args[0], edits)
		},
	}
}

func (c *command) change(name string, edits []config.Edit) error {
	conf, err := config.Load(c.src)
	if err != nil {
		return err
	}
	return conf.Change(name, edits...)
}

func (c *command) newShow() *cobra.Command {
	cmd := &cobra.Command{Args: cobra.ExactArgs(1), ValidArgsFunction: c.completeNames(1)}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		conf, err := config.Load(c.src)
		if err != nil {
			return err
		}
		list, err := conf.Settings(args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			return c.out.JSON(list)
		}
		return c.printTable(func(row func(...string)) {
			for _, s := range list {
				row(chroots.FormatSetting(&s), fmt.Sprintf("%s:%d", s.File, s.Line))
			}
		})
	}
	return cmd
}

// completeEdits completes the arguments of set.
func (c *command) completeEdits(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return c.completeNames(1)(cmd, args, word)
	}
	if key, value, ok := strings.Cut(word, "="); ok {
		return c.newCompleter().CompleteSetting(args[0], key, value), cobra.ShellCompDirectiveNoFileComp
	}
	return append(complete.ListKeys(), c.newCompleter().ListRemovals(args[0])...), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeKeys completes the arguments of unset.
func (c *command) completeKeys(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return c.completeNames(1)(cmd, args, word)
	}
	return c.newCompleter().ListUsedKeys(args[0]), cobra.ShellCompDirectiveNoFileComp
}
