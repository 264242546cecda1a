package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"chrun/session"
	"chrun/session/account"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// systemFlag says whose configuration is written: everybody's, or the caller's.
func (c *command) systemFlag(cmd *cobra.Command) (dir func() string) {
	system := cmd.Flags().Bool("system", c.root, "for everybody, in "+c.src.System+"; default for root")
	return func() string {
		if *system {
			return c.src.System
		}
		return c.src.User
	}
}

func (c *command) add() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add NAME DIR",
		Short: "Give the chroot in DIR a name",
		Args:  cobra.ExactArgs(2),
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
		tree, err := c.tree(args[1])
		if err != nil {
			return err
		}
		if err := conf.Add(dir(), args[0], tree); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s is %s: chrun -c %s\n", args[0], tree, args[0])
		return c.subordinate(args[0], tree)
	}
	return cmd
}

// subordinate writes down who the caller is in a tree that was made without
// root: files there belong to that number, so it must not change. It says how to
// make the account.
func (c *command) subordinate(name string, tree rootfs.HostPath) error {
	root, err := rootfs.Open(tree)
	if err != nil {
		return err
	}
	defer root.Close()
	st, err := root.Stat("/")
	if err != nil || c.root || int(st.Uid) == c.account.UID {
		return err
	}
	if !account.InRanges(account.ReadHostSubIDs("/", "/etc/subuid", c.account), int(st.Uid)) {
		return nil
	}
	passwd, _ := root.Read("/etc/passwd")
	a, known := account.Table(passwd).ByName(c.account.Name)
	if !known || a.UID == 0 {
		a = c.account
		_, known = account.Table(passwd).ByUID(a.UID)
	}
	number := strconv.Itoa(a.UID)
	if err := c.change(name, []config.Edit{{Key: []string{"identity"}, Value: "subid"}, {Key: []string{"map"}, Value: number}}); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "it belongs to your subordinate ids; you are %s there\n", number)
	if !known {
		fmt.Fprintf(c.out, "an account of that number: chrun -c %s -u root useradd -u %s -m %s\n", name, number, session.Quote(c.account.Name))
	}
	return nil
}

// treeError says that a directory cannot be that of a chroot.
type treeError struct {
	dir string
	err error
}

func (e *treeError) Error() string {
	text := e.err.Error()
	var not *rootfs.NotChrootError
	var p *os.PathError
	if errors.As(e.err, &not) {
		text = not.Why
	} else if errors.As(e.err, &p) {
		text = p.Err.Error()
	}
	return fmt.Sprintf("cannot use %q: %s", e.dir, text)
}

func (e *treeError) Unwrap() error { return e.err }

// tree is the canonical path of the chroot that dir leads to.
func (c *command) tree(dir string) (rootfs.HostPath, error) {
	full := dir
	switch {
	case dir == "":
		return "", &treeError{dir, errors.New("it is empty")}
	case dir == "~" || strings.HasPrefix(dir, "~/"):
		full = path.Join(c.home, dir[1:])
	case !path.IsAbs(dir) && c.src.Cwd == "":
		return "", &treeError{dir, errors.New("the working directory cannot be named")}
	case !path.IsAbs(dir):
		full = c.src.Cwd + "/" + dir // not path.Join: the kernel shall resolve "link/.."
	}
	root, err := rootfs.Open(rootfs.HostPath(full))
	if err != nil {
		return "", &treeError{dir, err}
	}
	defer root.Close()
	return root.Dir(), nil
}

func (c *command) forget() *cobra.Command {
	return &cobra.Command{
		Use:               "forget NAME",
		Short:             "Take a chroot off the list; its tree and its home stay",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.names(1),
		RunE: func(_ *cobra.Command, args []string) error {
			name := args[0]
			conf, err := config.Load(c.src)
			if err != nil {
				return err
			}
			ch, _ := conf.Chroot(name) // a mistake in it keeps nobody from forgetting it
			file, err := conf.Forget(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.out, "%s is forgotten: %s is gone\n", name, file)
			if ch != nil {
				c.stays(ch)
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

// stays says what is left of a chroot.
func (c *command) stays(ch *config.Chroot) {
	fmt.Fprintf(c.out, "its tree stays: %s\n", ch.Path)
	if home := c.homeOf(ch); home != "" {
		fmt.Fprintf(c.out, "its home stays: %s\n", home)
	}
	if h, err := c.host(); err == nil && h.HasExports(ch.Name) {
		fmt.Fprintf(c.out, "its programs are in the menu yet: chrunctl unexport %s --all\n", ch.Name)
	}
	if path.Dir(path.Dir(ch.File)) == c.src.System {
		fmt.Fprintln(c.out, "so do the homes of its users, in ~/.local/share/chrun/homes")
	}
}

// homeOf is the caller's private home of a chroot, "" if there is none.
func (c *command) homeOf(ch *config.Chroot) rootfs.HostPath {
	tree, err := rootfs.ResolveHost(ch.Path)
	if err != nil {
		tree = rootfs.HostPath(path.Clean(string(ch.Path))) // it is not mounted
	}
	state, data := config.UserStateDir(c.env.Get("XDG_STATE_HOME"), c.home), config.UserDataDir(c.env.Get("XDG_DATA_HOME"), c.home)
	home, _ := config.PrivateHome(state, data, tree, ch)
	if st, err := os.Stat(string(home)); err != nil || !st.IsDir() {
		return ""
	}
	return home
}

func (c *command) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the chroots that have a name",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			conf, err := config.Load(c.src)
			if err != nil {
				return err
			}
			all, mistakes := conf.All()
			err = c.table(func(row func(...string)) {
				for _, ch := range all {
					var marks []string
					if ch.Name == conf.Default {
						marks = append(marks, "default")
					}
					if _, err := os.Stat(string(ch.Path)); err != nil {
						marks = append(marks, "not there")
					}
					row(ch.Name, string(ch.Path), strings.Join(marks, ", "))
				}
			})
			if len(all) == 0 && mistakes == nil {
				fmt.Fprintln(c.err, "chrunctl: no chroot has a name: chrunctl add NAME DIR")
			}
			return errors.Join(err, mistakes)
		},
	}
}

func (c *command) defaults() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "default [NAME]",
		Short:             "Print, set or unset the chroot that chrun takes without -c",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: c.names(1),
	}
	unset := cmd.Flags().Bool("unset", false, "let there be no default")
	dir := c.systemFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		conf, err := config.Load(c.src)
		switch {
		case err != nil:
			return err
		case *unset && len(args) > 0:
			return &usageError{cmd.CommandPath(), errors.New("--unset takes no NAME")}
		case *unset && conf.Default != "" && !cmd.Flags().Changed("system"):
			return conf.SetDefault(path.Dir(conf.DefaultFrom), "")
		case *unset:
			return conf.SetDefault(dir(), "")
		case len(args) == 0 && conf.Default == "":
			fmt.Fprintln(c.err, "chrunctl: there is no default: chrunctl default NAME")
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
