// Chrunctl holds everything about chroots that is not a launch: their names,
// their settings, and what chrun shares with them.
//
//	chrunctl add gentoo /mnt/gentoo
//	chrunctl set gentoo home=private bind+=/data:ro app.firefox-bin.env.MOZ_ENABLE_WAYLAND=1
//
// What it changes are the TOML files that package session/config reads. It runs
// nothing and mounts nothing. Exit status: 0; 1 it failed; 2 a mistake on the
// command line.
package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"chrun/desktop"
	"chrun/internal/cli"
	"chrun/internal/helper"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/config"
)

func main() {
	if os.Args[0] == helper.Name { // gc starts helper processes
		os.Exit(helper.Main(os.Args[1:], os.Environ()))
	}
	c := newCommand(os.Getuid(), os.Environ(), "/etc/chrun", os.Stdout, os.Stderr)
	os.Exit(c.run(os.Args[1:]))
}

// command is what the subcommands share.
type command struct {
	root     bool            // the caller is
	account  account.Account // the caller's, on the host
	home     string
	env      session.Environ
	src      config.Source
	out, err io.Writer
	typed    []string
}

func newCommand(uid int, env session.Environ, system string, out, err io.Writer) *command {
	c := &command{root: uid == 0, env: env, out: out, err: err}
	c.account = account.LookUpHostUID(uid, os.Getgid(), "/", env.Get)
	c.home = c.account.Home
	if home := env.Get("HOME"); path.IsAbs(home) && uid != 0 {
		if st, err := os.Stat(home); err == nil && session.Owner(st) == uid {
			c.home = path.Clean(home) // what ~ means to the caller
		}
	}
	c.src = config.Source{System: system, Root: c.root,
		User: config.UserConfigDir(env.Get("XDG_CONFIG_HOME"), c.home),
		Home: func() string { return c.home },
		Feature: func(name string) error {
			_, err := desktop.FeaturesNamed(name)
			return err
		},
	}
	warned := map[string]bool{}
	c.src.Warn = func(err error) {
		if text := err.Error(); !warned[text] {
			warned[text] = true
			fmt.Fprintln(c.err, "chrunctl:", text)
		}
	}
	if cwd, err := unix.Getwd(); err == nil && path.IsAbs(cwd) {
		c.src.Cwd = cwd
	}
	return c
}

// run runs one command line and returns the exit status.
func (c *command) run(args []string) int {
	c.typed = args
	root := c.cobra()
	root.SetArgs(args)
	root.SetOut(c.out)
	root.SetErr(c.err)
	if err := root.Execute(); err != nil {
		return c.complain(err)
	}
	return 0
}

// usageError is a mistake on the command line.
type usageError struct {
	command string
	err     error
}

func (e *usageError) Error() string { return "cannot read the command line: " + e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usage makes the mistakes that check finds usageErrors.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &usageError{cmd.CommandPath(), err}
		}
		return nil
	}
}

// cobra is the tree of commands.
func (c *command) cobra() *cobra.Command {
	root := &cobra.Command{
		Use:   "chrunctl",
		Short: "Name chroots for chrun, and say how programs run in them",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			err := fmt.Errorf("unknown command %q", args[0])
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				err = fmt.Errorf("%w; is it %s?", err, strings.Join(near, " or "))
			}
			return err
		},
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version:       cli.Version(),
		SilenceErrors: true, SilenceUsage: true,
		SuggestionsMinimumDistance: 2, DisableFlagsInUseLine: true,
	}
	root.SetVersionTemplate("chrunctl {{.Version}}\n")
	root.Flags().BoolP("version", "V", false, "print the version")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{cmd.CommandPath(), err} })
	root.AddCommand(c.add(), c.forget(), c.list(), c.defaults(), c.set(), c.unset(), c.show(), c.features(), c.gc(), c.apps(), c.export(), c.unexport(), c.sync(), c.completeChrun())
	root.CompletionOptions.HiddenDefaultCmd = true
	root.Args = usage(root.Args)
	for _, cmd := range root.Commands() {
		words := cmd.Args
		cmd.DisableFlagsInUseLine = true
		cmd.Args = usage(func(cmd *cobra.Command, args []string) error {
			if words(cmd, args) != nil {
				return fmt.Errorf("the form is %s", cmd.UseLine())
			}
			return nil
		})
	}
	return root
}

func (c *command) features() *cobra.Command {
	return &cobra.Command{
		Use:   "features",
		Short: "List what is shared with chroots",
		Long: "List what is shared with chroots: the name and the group for chrun's --allow and --deny and\n" +
			"for the keys allow and deny, whether it is on by default, and what it shares.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			err := c.table(func(row func(...string)) {
				row("FEATURE", "GROUP", "DEFAULT", "SHARES")
				for _, f := range desktop.Features {
					row(f.Name, f.Group, "on", f.Shares)
				}
			})
			if err == nil {
				_, err = io.WriteString(c.out, limits)
			}
			return err
		},
	}
}

// limits say where the table ends.
const limits = `
Denied is not integrated, but not locked out: the program has your uid, and X11 and D-Bus
listen on abstract sockets, too, which only --deny network takes away.
--identity=remap has no accessibility bus. --identity=grant and "sudo chrun -u root" have
none, and no portals, which have to look at /proc/PID/root: that is another user's.
-u root has no documents, no named files and no /tmp of yours.
`

// table prints rows in columns.
func (c *command) table(fill func(row func(...string))) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fill(func(cells ...string) {
		for len(cells) > 0 && cells[len(cells)-1] == "" {
			cells = cells[:len(cells)-1]
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	})
	return w.Flush()
}

// names completes the name of a chroot.
func (c *command) names(max int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= max {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		conf, err := config.Load(c.src)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		list, _ := conf.Names()
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}
