// Chrunctl does everything with chroots that is not a launch: it keeps their names
// and settings, and puts their programs into the host's menu.
//
//	chrunctl add gentoo /mnt/gentoo
//	chrunctl set gentoo home=private bind+=/data:ro app.firefox-bin.env.MOZ_ENABLE_WAYLAND=1
//
// The settings are the TOML files that package session/config reads. Exit status:
// 0; 1 if it failed; 2 for a mistake on the command line.
package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"chrun/desktop"
	"chrun/internal/cli"
	"chrun/internal/complete"
	"chrun/internal/doctor/inside"
	"chrun/internal/helper"
	"chrun/internal/request"
	"chrun/internal/trees"
	"chrun/session"
	"chrun/session/config"
)

func main() {
	if os.Args[0] == helper.Name { // gc starts helper processes
		os.Exit(helper.Main(os.Args[1:], os.Environ()))
	}
	if os.Args[0] == trees.Name { // create and remove work in the tree
		os.Exit(trees.Main(os.Args[1:]))
	}
	if os.Args[0] == request.DoctorName { // chrunctl doctor runs it in the chroot
		os.Exit(inside.Main(os.Stdin, os.Stdout, os.Environ()))
	}
	c := newCommand(cli.NewCaller(os.Getuid(), os.Getgid(), os.Environ()), cli.SystemDir, os.Stdout, os.Stderr)
	os.Exit(c.run(os.Args[1:]))
}

// command is what the subcommands share.
type command struct {
	caller   *session.Caller
	src      config.Source
	out, err cli.Terminal
	args     []string // the command line
}

func newCommand(caller *session.Caller, system string, out, err io.Writer) *command {
	c := &command{caller: caller, out: cli.Terminal{Out: out}, err: cli.Terminal{Out: err}}
	printed := map[string]bool{}
	c.src = cli.ConfigSource(caller, system, func(err error) {
		if text := err.Error(); !printed[text] {
			printed[text] = true
			c.warn(text)
		}
	})
	return c
}

// warn prints a line on stderr.
func (c *command) warn(text string) { c.err.Line("chrunctl", text) }

// run runs one command line and returns the exit status.
func (c *command) run(args []string) int {
	c.args = args
	root := c.newRoot()
	root.SetArgs(args)
	root.SetOut(c.out)
	root.SetErr(c.err)
	cmd, err := root.ExecuteC()
	if err != nil {
		return c.printError(err)
	}
	if isSyncing(cmd.Name()) {
		c.autoSync("")
	}
	return 0
}

// wrapUsage turns the errors of check into *cli.UsageError.
func wrapUsage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &cli.UsageError{Command: cmd.CommandPath(), Err: err}
		}
		return nil
	}
}

// makers make the subcommands of cli.Verbs.
func (c *command) makers() map[string]func() *cobra.Command {
	return map[string]func() *cobra.Command{
		"create": c.newCreate, "remove": c.newRemove, "add": c.newAdd, "forget": c.newForget, "list": c.newList, "default": c.newDefault, "set": c.newSet, "unset": c.newUnset, "show": c.newShow,
		"features": c.newFeatures, "doctor": c.newDoctor, "ps": c.newPs, "kill": c.newKill, "gc": c.newGc, "apps": c.newApps, "export": c.newExport, "unexport": c.newUnexport, "sync": c.newSync,
	}
}

// newRoot makes the tree of commands. Their names, arguments and short descriptions
// are those of cli.Verbs.
func (c *command) newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "chrunctl",
		Short:         "Manage chroots for chrun: their names, settings and menu entries",
		Args:          wrapUsage(checkVerb),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version:       cli.Version(),
		SilenceErrors: true, SilenceUsage: true,
		SuggestionsMinimumDistance: 2, DisableFlagsInUseLine: true,
	}
	root.SetVersionTemplate("chrunctl {{.Version}}\n")
	root.Flags().BoolP("version", "V", false, "print the version")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &cli.UsageError{Command: cmd.CommandPath(), Err: err}
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	makers := c.makers()
	for _, v := range cli.Verbs {
		cmd := makers[v.Name]()
		cmd.Use, cmd.Short = strings.TrimSpace(v.Name+" "+v.Args), v.Short
		root.AddCommand(cmd)
	}
	root.AddCommand(c.newCompleteChrun())
	for _, cmd := range root.Commands() {
		check := cmd.Args
		cmd.DisableFlagsInUseLine = true
		cmd.Args = wrapUsage(func(cmd *cobra.Command, args []string) error {
			if check(cmd, args) != nil {
				return fmt.Errorf("the form is %s", cmd.UseLine())
			}
			return checkEmpty(cmd, args)
		})
	}
	return root
}

// checkVerb explains a first argument that is not a subcommand.
func checkVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q", args[0])
	if next := cli.OtherVerbs()[args[0]]; next != "" {
		return cli.WithHint(err, next)
	}
	near := slices.DeleteFunc(cmd.SuggestionsFor(args[0]), func(verb string) bool {
		return verb[0] != args[0][0] && len(verb) < 3 // every short word is near to "ps"
	})
	if len(near) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, " or "))
	}
	return err
}

// checkEmpty refuses empty arguments: with a variable that is not set, "kill $NAME" would
// end what runs in the default chroot. Those after -- are chrun's.
func checkEmpty(cmd *cobra.Command, args []string) error {
	if n := cmd.ArgsLenAtDash(); n >= 0 {
		args = args[:n]
	}
	if slices.Contains(args, "") {
		return fmt.Errorf("an argument is empty; the form is %s", cmd.UseLine())
	}
	return nil
}

// newCompleteChrun makes the command that answers chrun's completion scripts. Its arguments are the words
// of chrun's command line up to the cursor.
func (c *command) newCompleteChrun() *cobra.Command {
	return &cobra.Command{
		Use:    "complete-chrun -- WORD...",
		Short:  "List what can stand at the last word of chrun's command line",
		Hidden: true,
		Args:   cobra.MinimumNArgs(1),
		Run:    func(_ *cobra.Command, args []string) { c.newCompleter().CompleteLine(args) },
	}
}

func (c *command) newCompleter() *complete.Completer {
	return &complete.Completer{Source: c.src, Env: c.caller.Env, Root: c.caller.UID == 0, Out: c.out}
}

func (c *command) newFeatures() *cobra.Command {
	cmd := &cobra.Command{
		Long: "List what is shared with chroots: the name and the group for chrun's --allow and --deny and\n" +
			"for the keys allow and deny, whether it is on by default, and what it shares.",
		Args: cobra.NoArgs,
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		if *asJSON {
			type feature struct{ Name, Group, Default, Shares string }
			list := []feature{}
			for _, f := range desktop.Features {
				list = append(list, feature{f.Name, f.Group, "on", f.Shares})
			}
			return c.out.JSON(list)
		}
		err := c.printTable(func(row func(...string)) {
			row("FEATURE", "GROUP", "DEFAULT", "SHARES")
			for _, f := range desktop.Features {
				row(f.Name, f.Group, "on", f.Shares)
			}
		})
		if err == nil {
			_, err = io.WriteString(c.out, limits)
		}
		return err
	}
	return cmd
}

// jsonFlag adds --json.
func jsonFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print JSON, for programs")
}

// limits completes the table of features.
const limits = `
Denying a feature stops sharing it, but is not a security boundary: the program has your uid, and
X11 and D-Bus also listen on abstract sockets, which only --deny network closes.
--identity=remap has no accessibility bus. --identity=grant and "sudo chrun -u root" have neither
that nor portals, because portals cannot look at another user's process.
-u root has no documents and its own /tmp; files that its command line names are read-only.
`

// printTable prints rows in columns.
func (c *command) printTable(fill func(row func(...string))) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fill(func(cells ...string) {
		for len(cells) > 0 && cells[len(cells)-1] == "" {
			cells = cells[:len(cells)-1]
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	})
	return w.Flush()
}

// completeNames completes the name of a chroot, as each of the first max arguments.
func (c *command) completeNames(max int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) (list []string, _ cobra.ShellCompDirective) {
		if conf, err := config.Load(c.src); err == nil && len(args) < max {
			list, _ = conf.Names()
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}
