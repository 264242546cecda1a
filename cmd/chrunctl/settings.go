package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"chrun/internal/chroots"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

const keysHelp = `
Keys:
  path           the directory of the chroot
  user           the account inside, name or uid
  home           auto, private, host, temporary or a directory
  identity       auto, match, remap, subid, idmap or grant
  map            your uid inside, if the tree belongs to your subordinate ids
  personality    linux32 or linux64
  bind           files and directories to share: a list of SRC[:DST][:ro]
  env.NAME       a variable
  allow, deny    lists of features and groups: chrunctl features
  app.COMMAND.KEY   any of these except path, for one program`

func (c *command) set() *cobra.Command {
	cmd := &cobra.Command{
		Long: "Change settings of a chroot. If there is a mistake, none of them changes.\n" +
			"Comments and order of the file stay.\n" + keysHelp,
		Example: "  chrunctl set gentoo home=private bind+=/data:ro deny=gpu,sound\n" +
			"  chrunctl set gentoo app.firefox-bin.env.MOZ_ENABLE_WAYLAND=1",
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: c.keys,
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

func (c *command) unset() *cobra.Command {
	return &cobra.Command{
		Long:              "Remove settings of a chroot; env or app.COMMAND removes a whole table.\n" + keysHelp,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: c.setKeys,
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

func (c *command) show() *cobra.Command {
	cmd := &cobra.Command{Args: cobra.ExactArgs(1), ValidArgsFunction: c.names(1)}
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
			return c.printJSON(list)
		}
		return c.table(func(row func(...string)) {
			for _, s := range list {
				op := "="
				if s.Element {
					op = "+="
				}
				// In the form that set reads; each setting is one line.
				text := session.Quote(s.Key + op + s.Value)
				if strings.ContainsAny(text, "\n\t") {
					text = fmt.Sprintf("%s%s%q", s.Key, op, s.Value)
				}
				row(text, fmt.Sprintf("%s:%d", s.File, s.Line))
			}
		})
	}
	return cmd
}

// keys completes the arguments of set.
func (c *command) keys(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return c.names(1)(cmd, args, word)
	}
	if key, value, ok := strings.Cut(word, "="); ok {
		return c.completer(c.out).Setting(args[0], key, value), cobra.ShellCompDirectiveNoFileComp
	}
	list := []string{"path=", "user=", "home=", "identity=", "map=", "personality=", "bind+=", "env.", "allow+=", "deny+=", "app."}
	return list, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// setKeys completes the arguments of unset.
func (c *command) setKeys(cmd *cobra.Command, args []string, word string) (list []string, _ cobra.ShellCompDirective) {
	if len(args) == 0 {
		return c.names(1)(cmd, args, word)
	}
	conf, err := config.Load(c.src)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	settings, _ := conf.Settings(args[0])
	for _, s := range settings {
		if s.Key != "path" {
			list = append(list, s.Key)
		}
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}
