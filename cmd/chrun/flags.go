package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"chrun/desktop"
)

const usage = `Run a program in a chroot as if it were installed on the host.

  chrun [flags] [--] COMMAND [ARG...]    run COMMAND in the chroot
  chrun [flags]                          the account's login shell in the chroot

Flags (they end at COMMAND):
  -c, --chroot NAME|DIR    which chroot; default: $CHRUN_CHROOT, then the configured
                           default, then the only one known
  -u, --user USER          account inside, name or uid; default: the one with your uid,
                           else you are made known inside
  -C, --cwd DIR            working directory inside
      --home MODE          auto, private, host, temporary, or a directory
      --bind SRC[:DST][:ro]   more to share (repeatable)
      --env NAME[=VALUE]   set a variable, or pass yours (repeatable)
      --unset-env NAME     (repeatable)
      --allow F[,F...]     features or groups, all of which are on
      --deny F[,F...]      (repeatable)
  -n, --dry-run[=text|shell|json]   print the plan and its reasons, run nothing
  -l, --list               list the known chroots
  -v, --verbose            say what is shared, one line a feature
  -q, --quiet              no warnings
  -V, --version
  -h, --help

Exit status: the program's own; 128+n if it died of signal n; 125 chrun failed,
126 COMMAND cannot be executed, 127 it was not found.
`

// options are the flags and the words after them.
type options struct {
	chroot, user, cwd, home string
	bind, env, unsetEnv     []string
	switches                []toggle // --allow and --deny in the order given
	dryRun                  string
	list, verbose, quiet    bool
	argv                    []string
	typed                   []string // all words, for hints
	done                    bool     // help or version was printed
}

// toggle switches a feature or group on or off.
type toggle struct {
	name string
	on   bool
}

// switchFlag collects --allow and --deny in one list, because their order
// counts.
type switchFlag struct {
	list *[]toggle
	on   bool
}

func (s switchFlag) String() string { return "" }
func (s switchFlag) Type() string   { return "features" }
func (s switchFlag) Set(v string) error {
	for _, name := range strings.Split(v, ",") {
		if _, err := desktop.Named(name); err != nil {
			return err
		}
		*s.list = append(*s.list, toggle{name, s.on})
	}
	return nil
}

// usageError is a mistake on the command line.
type usageError struct{ error }

// parse reads the command line. Flags end at the first word that is none.
func parse(args []string) (*options, error) {
	o := &options{typed: args}
	f := pflag.NewFlagSet("chrun", pflag.ContinueOnError)
	f.SetInterspersed(false)
	f.Usage = func() {}
	f.SetOutput(discard{})
	f.StringVarP(&o.chroot, "chroot", "c", "", "")
	f.StringVarP(&o.user, "user", "u", "", "")
	f.StringVarP(&o.cwd, "cwd", "C", "", "")
	f.StringVar(&o.home, "home", "", "")
	f.StringArrayVar(&o.bind, "bind", nil, "")
	f.StringArrayVar(&o.env, "env", nil, "")
	f.StringArrayVar(&o.unsetEnv, "unset-env", nil, "")
	f.Var(switchFlag{&o.switches, true}, "allow", "")
	f.Var(switchFlag{&o.switches, false}, "deny", "")
	f.StringVarP(&o.dryRun, "dry-run", "n", "", "")
	f.Lookup("dry-run").NoOptDefVal = "text"
	f.BoolVarP(&o.list, "list", "l", false, "")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "")
	showVersion := f.BoolP("version", "V", false, "")
	help := f.BoolP("help", "h", false, "")
	if err := f.Parse(args); err != nil {
		return o, usageError{err}
	}
	switch {
	case *help:
		o.done = true
		fmt.Print(usage)
	case *showVersion:
		o.done = true
		os.Stdout.WriteString("chrun " + version + "\n")
	case o.dryRun != "" && o.dryRun != "text" && o.dryRun != "shell" && o.dryRun != "json":
		return o, usageError{fmt.Errorf("--dry-run=%s: it is text, shell or json", o.dryRun)}
	}
	for name, value := range map[string]string{"chroot": o.chroot, "user": o.user, "cwd": o.cwd, "home": o.home} {
		if f.Changed(name) && value == "" {
			return o, usageError{fmt.Errorf("--%s wants a value", name)}
		}
	}
	o.argv = f.Args()
	if len(o.argv) > 0 && o.argv[0] == "" {
		return o, usageError{fmt.Errorf("COMMAND is empty")}
	}
	return o, nil
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
