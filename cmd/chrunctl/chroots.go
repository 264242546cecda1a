package main

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"chrun/internal/chroots"
	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// systemFlag adds --system and returns a function for the directory whose
// configuration is written: that for all users, or the caller's.
func (c *command) systemFlag(cmd *cobra.Command) (dir func() string) {
	system := cmd.Flags().Bool("system", c.caller.UID == 0, "for all users, in "+c.src.System+"; default for root")
	return func() string {
		if *system {
			return c.src.System
		}
		return c.src.User
	}
}

func (c *command) newAdd() *cobra.Command {
	cmd := &cobra.Command{
		Args: cobra.ExactArgs(2),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	dir := c.systemFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		conf, err := config.Load(c.src)
		if err != nil {
			return err
		}
		tree, err := chroots.FindTree(c.caller, args[1])
		if err != nil {
			return err
		}
		if err := conf.Add(dir(), args[0], tree); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s is %s: chrun -c %s\n", args[0], tree, args[0])
		return c.fixIdentity(args[0], tree)
	}
	return cmd
}

// fixIdentity records who the caller is in a tree that was made without root.
func (c *command) fixIdentity(name string, tree rootfs.HostPath) error {
	self, err := chroots.FindSelf(c.caller, tree)
	if err != nil || self == nil {
		return err
	}
	if err := c.change(name, self.Edits()); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "its files belong to your subordinate IDs; your uid inside is %s\n", self.Number)
	if !self.HasAccount {
		fmt.Fprintf(c.out, "to create an account with that uid: chrun -c %s -u root useradd -u %s -m %s\n", name, self.Number, session.Quote(c.caller.Account.Name))
	}
	return nil
}

func (c *command) newForget() *cobra.Command {
	return &cobra.Command{
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeNames(1),
		RunE: func(_ *cobra.Command, args []string) error {
			name := args[0]
			conf, err := config.Load(c.src)
			if err != nil {
				return err
			}
			ch, _ := conf.Chroot(name) // a mistake in its file does not prevent removal
			file, err := conf.Forget(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.out, "%s is no longer configured: %s was removed\n", name, file)
			if ch != nil {
				c.printRemains(ch)
			}
			if conf.Default != name {
				return nil
			}
			if conf, err = config.Load(c.src); err == nil && conf.Default != name {
				fmt.Fprintln(c.out, "it was the default")
			}
			return err
		},
	}
}

// printRemains prints what still exists of a chroot.
func (c *command) printRemains(ch *config.Chroot) {
	fmt.Fprintf(c.out, "its files stay in %s\n", ch.Path)
	if home := chroots.FindPrivateHome(c.caller, ch); home != "" {
		fmt.Fprintf(c.out, "its home stays in %s\n", home)
	}
	if h, err := c.describeHost(); err == nil && h.HasFiles(ch.Name) {
		fmt.Fprintf(c.out, "its programs are still in the menu: chrunctl unexport %s --all\n", ch.Name)
	}
	if path.Dir(path.Dir(ch.File)) == c.src.System {
		fmt.Fprintln(c.out, "the homes of its users stay in ~/.local/share/chrun/homes")
	}
}

func (c *command) newList() *cobra.Command {
	cmd := &cobra.Command{Args: cobra.NoArgs}
	asJSON := jsonFlag(cmd)
	size := cmd.Flags().Bool("size", false, "also print how much disk space each uses")
	cmd.RunE = func(*cobra.Command, []string) error {
		conf, err := config.Load(c.src)
		if err != nil {
			return err
		}
		list, mistakes := chroots.List(c.caller, conf)
		if *asJSON {
			return errors.Join(c.out.JSON(list), mistakes)
		}
		err = c.printTable(func(row func(...string)) {
			for _, ch := range list {
				marks := ch.Marks()
				if *size {
					marks = strings.TrimPrefix(marks+", "+describeSize(ch.Path), ", ")
				}
				row(ch.Name, ch.Path, marks)
			}
		})
		if len(list) == 0 && mistakes == nil {
			c.warn("no chroot is configured: chrunctl add NAME DIR")
		}
		return errors.Join(err, mistakes)
	}
	return cmd
}

// describeSize says how much disk space a tree uses.
func describeSize(tree string) string {
	bytes, partial := chroots.Size(tree)
	text := fmt.Sprintf("%d MiB", (bytes+1<<20-1)>>20)
	if partial {
		text = "at least " + text
	}
	return text
}

func (c *command) newDefault() *cobra.Command {
	cmd := &cobra.Command{
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: c.completeNames(1),
	}
	unset := cmd.Flags().Bool("unset", false, "remove the default")
	asJSON := jsonFlag(cmd)
	dir := c.systemFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		conf, err := config.Load(c.src)
		switch {
		case err != nil:
			return err
		case *unset && len(args) > 0:
			return &cli.UsageError{Command: cmd.CommandPath(), Err: errors.New("--unset does not take a NAME")}
		case *unset && conf.Default != "" && !cmd.Flags().Changed("system"):
			return conf.SetDefault(path.Dir(conf.DefaultFrom), "")
		case *unset:
			return conf.SetDefault(dir(), "")
		case len(args) == 0 && *asJSON:
			return c.out.JSON(map[string]string{"Default": conf.Default, "File": conf.DefaultFrom})
		case len(args) == 0 && conf.Default == "":
			c.warn("no default is set: chrunctl default NAME")
			return nil
		case len(args) == 0:
			_, err := fmt.Fprintln(c.out, conf.Default)
			return err
		}
		if _, err := conf.Chroot(args[0]); err != nil {
			return err
		}
		return conf.SetDefault(dir(), args[0])
	}
	return cmd
}
