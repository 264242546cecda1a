package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"chrun/desktop"
	"chrun/desktop/menu"
)

// Flags are the flags of chrun's command line and the words after them. They
// are read-only after ParseFlags.
type Flags struct {
	Chroot, User, Cwd, Home string
	Identity, App, DryRun   string
	Doctor                  string // "true", or the program that chrunctl doctor runs in the place of COMMAND
	Bind, Env, UnsetEnv     []string
	Switches                []Switch // --allow and --deny in the order given
	List, Verbose, Quiet    bool
	AnyCwd                  bool
	Help, Version           bool

	Command []string // COMMAND and its arguments

	given []given
}

// Switch turns a feature or a group of features on or off.
type Switch struct {
	Name string
	On   bool
}

// given is one flag of the command line, in the form --name or --name=value.
type given struct{ name, word string }

// UsageError is a mistake on the command line.
type UsageError struct {
	Command string // that has the help; "" for chrun
	Err     error
}

func (e *UsageError) Error() string { return "cannot read the command line: " + e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Hint is that of the mistake itself, or says what to do without an unknown flag,
// or names the help.
func (e *UsageError) Hint() string {
	var unknown *UnknownFlagError
	if errors.As(e.Err, &unknown) {
		if _, err := desktop.FeaturesNamed(unknown.Name); err == nil {
			return unknown.Name + " is shared by default: leave " + unknown.Word + " out; to turn it off: --deny " + unknown.Name
		}
		switch unknown.Word {
		case "-it", "-ti", "-i", "-t", "--interactive", "--tty":
			return "the terminal is always shared: leave " + unknown.Word + " out"
		}
	}
	if hints := Hints(e.Err); len(hints) > 0 {
		return hints[0]
	}
	return cmp.Or(e.Command, "chrun") + " --help"
}

// UnknownFlagError reports a flag that chrun does not have.
type UnknownFlagError struct {
	Name string // without dashes
	Word string // as typed
}

func (e *UnknownFlagError) Error() string {
	if len(e.Name) == 1 {
		return "unknown flag -" + e.Name
	}
	return "unknown flag --" + e.Name
}

// A ValueKind says what the value of a flag is. Completion offers such values.
type ValueKind int

const (
	NoValue ValueKind = iota
	ChrootValue
	AccountValue
	DirectoryValue // inside
	IdentityValue
	HomeValue
	BindValue
	VariableValue
	FeatureValue
	AppValue
	FormValue
)

// A Flag is one row of the table that parsing, help, completion and the tests
// of the manual share.
type Flag struct {
	Name, Short string
	Value       string // what the help calls the value
	Kind        ValueKind
	Default     string   // the value without "="; a flag with a default accepts a value only after "="
	Usage       []string // lines of the help
	About       string   // the same in a few words, for completion

	bind func(f *Flags) pflag.Value
}

// ChrunFlags are the flags of chrun, in the order of its help.
var ChrunFlags = []Flag{
	{Name: "chroot", Short: "c", Value: "NAME|DIR", Kind: ChrootValue, About: "which chroot",
		Usage: []string{"which chroot; default: $CHRUN_CHROOT, then the configured", "default, then the only named chroot"},
		bind:  func(f *Flags) pflag.Value { return &text{to: &f.Chroot} }},
	{Name: "user", Short: "u", Value: "USER", Kind: AccountValue, About: "account inside",
		Usage: []string{"account inside, name or uid; default: the one with your uid;", "if there is none, one is added for this launch"},
		bind:  func(f *Flags) pflag.Value { return &text{to: &f.User} }},
	{Name: "cwd", Short: "C", Value: "DIR", Kind: DirectoryValue, About: "working directory inside",
		Usage: []string{"working directory inside"},
		bind:  func(f *Flags) pflag.Value { return &text{to: &f.Cwd} }},
	{Name: "any-cwd", Default: "true", About: "start in the home if need be",
		Usage: []string{"start in the home if the working directory is not", "available inside, unless an ARG names a file in it"},
		bind:  func(f *Flags) pflag.Value { return &on{to: &f.AnyCwd} }},
	{Name: "identity", Value: "KIND", Kind: IdentityValue, About: "whose uid the program has",
		Usage: []string{"auto, match, remap, subid; as root: idmap, grant"},
		bind:  func(f *Flags) pflag.Value { return &text{to: &f.Identity, check: checkIdentity} }},
	{Name: "home", Value: "MODE", Kind: HomeValue, About: "which home",
		Usage: []string{Names(HomeModes) + ", or a directory"},
		bind:  func(f *Flags) pflag.Value { return &text{to: &f.Home} }},
	{Name: "bind", Value: "SRC[:DST][:ro]", Kind: BindValue, About: "share another file or directory",
		Usage: []string{"share another file or directory (repeatable)"},
		bind:  func(f *Flags) pflag.Value { return &list{to: &f.Bind} }},
	{Name: "env", Value: "NAME[=VALUE]", Kind: VariableValue, About: "set a variable, or pass yours",
		Usage: []string{"set a variable; without =VALUE, to yours (repeatable)"},
		bind:  func(f *Flags) pflag.Value { return &list{to: &f.Env} }},
	{Name: "unset-env", Value: "NAME", Kind: VariableValue, About: "remove a variable",
		Usage: []string{"remove a variable (repeatable)"},
		bind:  func(f *Flags) pflag.Value { return &list{to: &f.UnsetEnv} }},
	{Name: "allow", Value: "F[,F...]", Kind: FeatureValue, About: "share features or groups",
		Usage: []string{"share features or groups; all are shared by default"},
		bind:  func(f *Flags) pflag.Value { return &switches{f: f, on: true} }},
	{Name: "deny", Value: "F[,F...]", Kind: FeatureValue, About: "do not share features or groups",
		Usage: []string{"do not share them (repeatable)"},
		bind:  func(f *Flags) pflag.Value { return &switches{f: f} }},
	{Name: "app", Value: "ID", Kind: AppValue, About: "the menu entry that starts this launch",
		Usage: []string{"the menu entry that starts this launch"},
		bind:  func(f *Flags) pflag.Value { return &text{to: &f.App, check: checkApp} }},
	{Name: "dry-run", Short: "n", Value: "text|shell|json", Kind: FormValue, Default: "text", About: "print the plan, run nothing",
		Usage: []string{"print the plan and its reasons, run nothing"},
		bind:  func(f *Flags) pflag.Value { return &text{to: &f.DryRun, check: checkForm} }},
	{Name: "doctor", Default: "true", About: "say why a launch does not work",
		Usage: []string{"say what does not work in such a launch, and what", "mends it: chrunctl doctor"},
		bind:  func(f *Flags) pflag.Value { return &text{to: &f.Doctor} }},
	{Name: "list", Short: "l", Default: "true", About: "list the known chroots", Usage: []string{"list the known chroots"},
		bind: func(f *Flags) pflag.Value { return &on{to: &f.List} }},
	{Name: "verbose", Short: "v", Default: "true", About: "print what is shared", Usage: []string{"print what is shared, one line a feature"},
		bind: func(f *Flags) pflag.Value { return &on{to: &f.Verbose} }},
	{Name: "quiet", Short: "q", Default: "true", About: "no warnings", Usage: []string{"no warnings"},
		bind: func(f *Flags) pflag.Value { return &on{to: &f.Quiet} }},
	{Name: "version", Short: "V", Default: "true", About: "print the version", Usage: []string{"print the version"},
		bind: func(f *Flags) pflag.Value { return &on{to: &f.Version} }},
	{Name: "help", Short: "h", Default: "true", About: "print help", Usage: []string{"print this help"},
		bind: func(f *Flags) pflag.Value { return &on{to: &f.Help} }},
}

// ParseFlags reads chrun's command line. Flags end at the first word that is
// not one, or after "--". With an error, which is a *UsageError, the flags
// before the mistake are set.
func ParseFlags(args []string) (*Flags, error) {
	f := &Flags{}
	set := pflag.NewFlagSet("chrun", pflag.ContinueOnError)
	set.SetInterspersed(false)
	for i := range ChrunFlags {
		row := &ChrunFlags[i]
		set.AddFlag(&pflag.Flag{Name: row.Name, Shorthand: row.Short, Value: row.bind(f), NoOptDefVal: row.Default})
	}
	err := set.ParseAll(args, func(flag *pflag.Flag, value string) error {
		word := "--" + flag.Name
		if value != flag.NoOptDefVal {
			word += "=" + value
		}
		f.given = append(f.given, given{flag.Name, word})
		return set.Set(flag.Name, value)
	})
	f.Command = set.Args()
	if err == nil {
		err = checkEmptyShort(set, args[:len(args)-len(f.Command)])
	}
	if err == nil && len(f.Command) > 0 && f.Command[0] == "" {
		err = errors.New("COMMAND is empty")
	}
	if err != nil {
		return f, &UsageError{Err: plainError(err)}
	}
	return f, nil
}

// checkEmptyShort refuses -c=, which pflag reads as the value "=".
func checkEmptyShort(set *pflag.FlagSet, words []string) error {
	for _, word := range words {
		if n := len(word); n > 2 && word[0] == '-' && word[1] != '-' && word[n-1] == '=' {
			if flag := set.ShorthandLookup(word[n-2 : n-1]); flag != nil && flag.NoOptDefVal == "" && flag.Value.String() == "=" {
				return fmt.Errorf("-%s requires a value", flag.Shorthand)
			}
		}
	}
	return nil
}

// plainError words pflag's errors as chrun's own.
func plainError(err error) error {
	var (
		unknown *pflag.NotExistError
		missing *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return &UnknownFlagError{Name: unknown.GetSpecifiedName(), Word: "-" + unknown.GetSpecifiedShortnames()}
	case errors.As(err, &unknown):
		return &UnknownFlagError{Name: unknown.GetSpecifiedName(), Word: "--" + unknown.GetSpecifiedName()}
	case errors.As(err, &missing):
		if len(missing.GetSpecifiedName()) == 1 {
			return fmt.Errorf("-%s requires a value", missing.GetSpecifiedName())
		}
		return fmt.Errorf("--%s requires a value", missing.GetSpecifiedName())
	case errors.As(err, &invalid):
		return fmt.Errorf("--%s %w", invalid.GetFlag().Name, errors.Unwrap(err))
	}
	return err
}

// Given reports whether the flag was on the command line.
func (f *Flags) Given(name string) bool {
	return slices.ContainsFunc(f.given, func(g given) bool { return g.name == name })
}

// Words are the flags of the command line in the form --flag=value, except
// those named.
func (f *Flags) Words(except ...string) (words []string) {
	for _, g := range f.given {
		if !slices.Contains(except, g.name) {
			words = append(words, g.word)
		}
	}
	return words
}

// Usage is the help of chrun.
func Usage() string {
	var b strings.Builder
	b.WriteString(usageHead)
	for _, f := range ChrunFlags {
		left := "      --" + f.Name
		if f.Short != "" {
			left = "  -" + f.Short + ", --" + f.Name
		}
		switch {
		case f.Value != "" && f.Default != "":
			left += "[=" + f.Value + "]"
		case f.Value != "":
			left += " " + f.Value
		}
		for _, line := range f.Usage {
			if len(left) > usageColumn-2 {
				fmt.Fprintf(&b, "%s\n", left)
				left = ""
			}
			fmt.Fprintf(&b, "%-*s%s\n", usageColumn, left, line)
			left = ""
		}
	}
	b.WriteString(usageTail)
	return b.String()
}

const usageColumn = 28

const usageHead = `Run a program in a chroot as if it were installed on the host.

  chrun [flags] [--] COMMAND [ARG...]    run COMMAND in the chroot
  chrun [flags]                          the account's login shell in the chroot

Flags (they end at COMMAND):
`

const usageTail = `
Exit status: the program's own; 128+n if it died of signal n; 125 chrun failed,
126 COMMAND cannot be executed, 127 it was not found.
`

func checkIdentity(v string) error { return checkChoice(IdentityKinds, v) }
func checkForm(v string) error     { return checkChoice(Forms, v) }

func checkChoice(choices []Choice, v string) error {
	if Has(choices, v) {
		return nil
	}
	return fmt.Errorf("does not accept %q: it is one of %s", v, Names(choices))
}

func checkApp(v string) error {
	if !menu.ValidID(v) {
		return fmt.Errorf("does not accept %q: it is not a valid application ID", v)
	}
	return nil
}

// The kinds of values, as pflag wants them.

type text struct {
	to    *string
	check func(string) error
}

func (t *text) Set(v string) error {
	if t.check != nil {
		if err := t.check(v); err != nil {
			return err
		}
	} else if v == "" {
		return errors.New("requires a value")
	}
	*t.to = v
	return nil
}
func (t *text) String() string { return *t.to }
func (t *text) Type() string   { return "string" }

type list struct{ to *[]string }

func (l *list) Set(v string) error { *l.to = append(*l.to, v); return nil }
func (l *list) String() string     { return strings.Join(*l.to, " ") }
func (l *list) Type() string       { return "stringArray" }

type on struct{ to *bool }

func (o *on) Set(v string) error {
	if v != "true" {
		return errors.New("does not take a value")
	}
	*o.to = true
	return nil
}
func (o *on) String() string { return fmt.Sprint(*o.to) }
func (o *on) Type() string   { return "bool" }

type switches struct {
	f  *Flags
	on bool
}

func (s *switches) Set(v string) error {
	for _, name := range strings.Split(v, ",") {
		if _, err := desktop.FeaturesNamed(name); err != nil {
			return fmt.Errorf("does not accept this: %w", err)
		}
		s.f.Switches = append(s.f.Switches, Switch{name, s.on})
	}
	return nil
}
func (s *switches) String() string { return "" }
func (s *switches) Type() string   { return "features" }
