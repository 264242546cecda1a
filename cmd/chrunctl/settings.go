package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"chrun/internal/cli"
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
  map            the number that is you inside, where the tree has your subordinate ids
  personality    linux32 or linux64
  bind           more to share: a list of SRC[:DST][:ro]
  env.NAME       a variable
  allow, deny    lists of features and groups: chrunctl features
  app.COMMAND.KEY   any of these but path, for one program`

func (c *command) set() *cobra.Command {
	return &cobra.Command{
		Use:   "set NAME KEY=VALUE|KEY+=VALUE...",
		Short: "Change settings of a chroot; += adds to a list",
		Long: "Change settings of a chroot: all of them or, if there is a mistake, none.\n" +
			"Comments and order of the file stay.\n" + keysHelp,
		Example: "  chrunctl set gentoo home=private bind+=/data:ro deny=gpu,sound\n" +
			"  chrunctl set gentoo app.firefox-bin.env.MOZ_ENABLE_WAYLAND=1",
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: c.keys,
		RunE: func(_ *cobra.Command, args []string) error {
			var edits []config.Edit
			for _, s := range args[1:] {
				e, err := config.ParseEdit(s)
				if err == nil && slices.Equal(e.Key, []string{"path"}) {
					var tree rootfs.HostPath
					tree, err = c.tree(e.Value.(string))
					e.Value = string(tree)
				}
				if err != nil {
					return err
				}
				edits = append(edits, e)
			}
			return c.change(args[0], edits)
		},
	}
}

func (c *command) unset() *cobra.Command {
	return &cobra.Command{
		Use:               "unset NAME KEY...",
		Short:             "Take settings of a chroot away",
		Long:              "Take settings of a chroot away; env or app.COMMAND as a whole.\n" + keysHelp,
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
	return &cobra.Command{
		Use:               "show NAME",
		Short:             "Print the settings of a chroot, and where each is written",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.names(1),
		RunE: func(_ *cobra.Command, args []string) error {
			conf, err := config.Load(c.src)
			if err != nil {
				return err
			}
			list, err := conf.Settings(args[0])
			if err != nil {
				return err
			}
			return c.table(func(row func(...string)) {
				for _, s := range list {
					op := "="
					if s.Element {
						op = "+="
					}
					// As it is typed for set; a line is a setting.
					text := session.Quote(s.Key + op + s.Value)
					if strings.ContainsAny(text, "\n\t") {
						text = fmt.Sprintf("%s%s%q", s.Key, op, s.Value)
					}
					row(text, fmt.Sprintf("%s:%d", s.File, s.Line))
				}
			})
		},
	}
}

// keys completes the arguments of set.
func (c *command) keys(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return c.names(1)(cmd, args, word)
	}
	if key, value, ok := strings.Cut(word, "="); ok {
		return c.values(args[0], key, value), cobra.ShellCompDirectiveNoFileComp
	}
	list := []string{"path=", "user=", "home=", "identity=", "map=", "personality=", "bind+=", "env.", "allow+=", "deny+=", "app."}
	return list, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// values completes KEY=VALUE, as chrun's flag of that name.
func (c *command) values(chroot, key, value string) (list []string) {
	var out bytes.Buffer
	asks := *c
	asks.out = &out
	comp, prefix := &completion{command: &asks, chroot: chroot}, key+"="
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
