package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"chrun/desktop"
	"chrun/internal/cli"
	"chrun/internal/doctor"
	"chrun/internal/doctor/report"
	"chrun/internal/suggest"
	"chrun/session"
	"chrun/session/config"
)

// newDoctor makes the command that says why something does not work.
func (c *command) newDoctor() *cobra.Command {
	cmd := &cobra.Command{
		Long: "Look for what does not work in a chroot, feature by feature, from inside, and say what to type.\n" +
			"The words after -- are chrun's: those of the launch that failed. \"chrun --doctor ...\" is the same.\n\n" +
			"Exit status: 0 all works, 1 something does not, 125 the doctor could not look.",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: c.completeNames(1),
	}
	o := &doctor.Options{Caller: c.caller}
	flags := cmd.Flags()
	chroot := flags.StringP("chroot", "c", "", "the same as NAME or DIR")
	user := flags.StringP("user", "u", "", "account inside")
	identity := flags.String("identity", "", "whose uid the program has")
	features := flags.StringSlice("feature", nil, "only these features, groups or rows")
	flags.BoolVar(&o.Sound, "sound", false, "play a tone for a second")
	flags.BoolVar(&o.Net, "net", false, "ask the chroot's name server")
	verbose := flags.BoolP("verbose", "v", false, "every check, and how far each went")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if o.Flags, err = doctorFlags(args, cmd.ArgsLenAtDash(), *chroot, *user, *identity); err != nil {
			return err
		}
		if o.Features, err = doctorRows(*features); err != nil {
			return err
		}
		if err := c.findPrograms(o); err != nil {
			return &statusError{125, err}
		}
		if o.Config, err = config.Load(c.src); err != nil {
			return &statusError{125, err}
		}
		if o.Chroot, err = c.selectChroot(o); err != nil {
			return &statusError{125, err}
		}
		r, err := doctor.Examine(o)
		if err != nil {
			return &statusError{125, err}
		}
		if *asJSON {
			err = c.out.JSON(r)
		} else {
			r.Print(c.out.Out, doctor.Order(), c.style(*verbose), session.Printable)
		}
		if err == nil && r.HasFailed() {
			err = &statusError{1, nil}
		}
		return err
	}
	return cmd
}

// selectChroot finds the chroot. It is nil if its file system does not answer, which
// the launch will say.
func (c *command) selectChroot(o *doctor.Options) (*config.Chroot, error) {
	type answer struct {
		chroot *config.Chroot
		err    error
	}
	selected := make(chan answer, 1)
	go func() {
		chroot, err := o.Config.Select(o.Flags.Chroot, c.caller.Env.Get("CHRUN_CHROOT"))
		selected <- answer{chroot, err}
	}()
	select {
	case a := <-selected:
		return a.chroot, a.err
	case <-time.After(time.Second):
		return nil, nil
	}
}

// doctorFlags are the flags of the launch: what is after "--", and before it the name
// of the chroot and the flags that doctor has itself.
func doctorFlags(args []string, dash int, chroot, user, identity string) (*cli.Flags, error) {
	if dash < 0 {
		dash = len(args)
	}
	var words []string
	switch {
	case dash > 1 || dash == 1 && chroot != "":
		return nil, &cli.UsageError{Command: "chrunctl doctor", Err: fmt.Errorf("one chroot only, not %q", args[dash-1])}
	case dash == 1:
		words = append(words, "--chroot="+args[0])
	case chroot != "":
		words = append(words, "--chroot="+chroot)
	}
	if user != "" {
		words = append(words, "--user="+user)
	}
	if identity != "" {
		words = append(words, "--identity="+identity)
	}
	return cli.ParseFlags(append(words, args[dash:]...))
}

// doctorRows are the rows that --feature names.
func doctorRows(names []string) (rows []string, err error) {
	for _, name := range names {
		if slices.Contains(doctor.Order(), name) {
			rows = append(rows, name)
			continue
		}
		found, err := desktop.FeaturesNamed(name)
		if err != nil {
			others := slices.Concat(report.Rows.First, report.Rows.Last)
			err = fmt.Errorf("%w; other rows are %s", err, strings.Join(others, ", "))
			if hint := suggest.FeatureHint(name, others...); hint != "" {
				err = cli.WithHint(err, hint)
			}
			return nil, &cli.UsageError{Command: "chrunctl doctor", Err: err}
		}
		for _, f := range found {
			rows = append(rows, f.Name)
		}
	}
	return rows, nil
}

// findPrograms finds chrunctl itself and the chrun that belongs to it: the one beside
// it, else that on PATH.
func (c *command) findPrograms(o *doctor.Options) (err error) {
	if o.Self, err = os.Readlink("/proc/self/exe"); err != nil {
		return fmt.Errorf("cannot find chrunctl's own file: %w", err)
	}
	o.Chrun = path.Join(path.Dir(o.Self), "chrun")
	if unix.Access(o.Chrun, unix.X_OK) != nil {
		if o.Chrun, err = exec.LookPath("chrun"); err != nil {
			return cli.WithHint(fmt.Errorf("cannot find chrun: %w", err), "it belongs beside chrunctl: install both, sudo make install")
		}
	}
	return nil
}

// style is how the table is printed here: symbols where the language's encoding has
// them, colors on a terminal that has them (no-color.org).
func (c *command) style(verbose bool) report.Style {
	s := report.Style{Verbose: verbose}
	if !cli.IsTerminal(1) {
		return s
	}
	s.Columns = 80
	if size, err := unix.IoctlGetWinsize(1, unix.TIOCGWINSZ); err == nil && size.Col > 0 {
		s.Columns, s.Rows = int(size.Col), int(size.Row)
	}
	env := c.caller.Env
	locale := cmp.Or(env.Get("LC_ALL"), env.Get("LC_CTYPE"), env.Get("LANG"))
	term := env.Get("TERM")
	s.Symbols = strings.Contains(strings.ReplaceAll(strings.ToUpper(locale), "-", ""), "UTF8") && term != "dumb"
	s.Color = env.Get("NO_COLOR") == "" && term != "dumb" && term != ""
	return s
}

// statusError ends chrunctl with a status of its own; Err is nil if everything has been
// printed.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return fmt.Sprint(e.err) }
func (e *statusError) Unwrap() error { return e.err }
