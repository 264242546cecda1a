package main

import (
	"fmt"
	"os"
	"strings"

	"chrun/desktop"
	"chrun/session"
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
      --identity KIND      auto, match, remap, subid; as root: idmap, grant
      --home MODE          auto, private, host, temporary, or a directory
      --bind SRC[:DST][:ro]   more to share (repeatable)
      --env NAME[=VALUE]   set a variable, or pass yours (repeatable)
      --unset-env NAME     (repeatable)
      --allow F[,F...]     features or groups, all of which are on
      --deny F[,F...]      (repeatable)
      --app ID             the entry of the menu that this launch is of
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
	help, version           bool
	identity                string
	app                     string // the exported entry's id
	argv                    []string
	given                   []given       // the flags as typed
	sudo                    bool          // it takes root to make this launch
	typed                   []string      // all words, for hints
	entry                   entry         // what belongs to app
	guess                   func() string // what COMMAND may have meant, once it cannot be executed
}

// toggle switches a feature or group on or off.
type toggle struct {
	name string
	on   bool
}

// given is a word of flags with its value's.
type given struct {
	names []string // long
	words []string
}

// usageError is a mistake on the command line.
type usageError struct{ error }

// option is one flag: set gets its value. A flag that is on, or has an optional
// value, takes a value only behind "=": without one it is set to without.
type option struct {
	long    string
	short   byte // 0: none
	without string
	set     func(value string) error
}

// options lists the flags. Package pflag, which would do, links and starts
// package net: a tenth of what chrun needs to come up.
func (o *options) options() []option {
	text := func(to *string) func(string) error {
		return func(v string) error {
			if *to = v; v == "" {
				return fmt.Errorf("it wants a value")
			}
			return nil
		}
	}
	more := func(to *[]string) func(string) error {
		return func(v string) error { *to = append(*to, v); return nil }
	}
	on := func(to *bool) func(string) error {
		return func(v string) error {
			if *to = true; v != "yes" {
				return fmt.Errorf("it takes no value")
			}
			return nil
		}
	}
	list := []option{
		{"chroot", 'c', "", text(&o.chroot)},
		{"user", 'u', "", text(&o.user)},
		{"cwd", 'C', "", text(&o.cwd)},
		{"home", 0, "", text(&o.home)},
		{"identity", 0, "", func(v string) (err error) {
			o.identity = v
			_, err = session.ParseKind(v)
			return err
		}},
		{"bind", 0, "", more(&o.bind)},
		{"env", 0, "", more(&o.env)},
		{"unset-env", 0, "", more(&o.unsetEnv)},
		{"allow", 0, "", func(v string) error { return o.toggle(v, true) }},
		{"deny", 0, "", func(v string) error { return o.toggle(v, false) }},
		{"app", 0, "", func(v string) error {
			if o.app = v; !validApp(v) {
				return fmt.Errorf("%q is no id of an entry", v)
			}
			return nil
		}},
		{"dry-run", 'n', "text", func(v string) error {
			if o.dryRun = v; v != "text" && v != "shell" && v != "json" {
				return fmt.Errorf("%q is not text, shell or json", v)
			}
			return nil
		}},
		{"list", 'l', "yes", on(&o.list)},
		{"verbose", 'v', "yes", on(&o.verbose)},
		{"quiet", 'q', "yes", on(&o.quiet)},
		{"version", 'V', "yes", on(&o.version)},
		{"help", 'h', "yes", on(&o.help)},
	}
	for i, f := range list {
		list[i].set = func(v string) error {
			last := &o.given[len(o.given)-1]
			last.names = append(last.names, f.long)
			return f.set(v)
		}
	}
	return list
}

func (o *options) toggle(list string, on bool) error {
	for _, name := range strings.Split(list, ",") {
		if _, err := desktop.Named(name); err != nil {
			return err
		}
		o.switches = append(o.switches, toggle{name, on})
	}
	return nil
}

// parse reads the command line as getopt_long(3) does with "+": flags end at
// the first word that is none, or behind "--".
func parse(args []string) (*options, error) {
	o := &options{typed: args}
	all := o.options()
	for len(args) > 0 {
		word := args[0]
		if len(word) < 2 || word[0] != '-' {
			break
		}
		args = args[1:]
		if word == "--" {
			break
		}
		o.given = append(o.given, given{})
		var err error
		left := args
		if word[1] == '-' {
			args, err = long(all, word[2:], args)
		} else {
			args, err = short(all, word[1:], args)
		}
		if err != nil {
			return o, usageError{err}
		}
		o.given[len(o.given)-1].words = append([]string{word}, left[:len(left)-len(args)]...)
	}
	o.argv = args
	if len(args) > 0 && args[0] == "" {
		return o, usageError{fmt.Errorf("COMMAND is empty")}
	}
	return o, nil
}

// long reads --name, --name=value or --name value; it returns the words left.
func long(all []option, word string, rest []string) ([]string, error) {
	name, value, given := strings.Cut(word, "=")
	for _, f := range all {
		if f.long != name {
			continue
		}
		return f.take("--"+name, value, given, rest)
	}
	return nil, fmt.Errorf("unknown flag --%s", name)
}

// short reads -abc, where the last may have a value: -cvalue, -c=value or
// -c value.
func short(all []option, word string, rest []string) ([]string, error) {
next:
	for i := 0; i < len(word); i++ {
		for _, f := range all {
			if f.short != word[i] {
				continue
			}
			value, given := strings.CutPrefix(word[i+1:], "=")
			switch {
			case given:
				return f.take("-"+word[i:i+1], value, true, rest)
			case f.without == "" && value != "":
				return f.take("-"+word[i:i+1], value, true, rest)
			case f.without == "":
				return f.take("-"+word[i:i+1], "", false, rest)
			}
			if _, err := f.take("-"+word[i:i+1], "", false, nil); err != nil {
				return nil, err
			}
			continue next
		}
		return nil, fmt.Errorf("unknown flag -%s", word[i:i+1])
	}
	return rest, nil
}

// take sets the flag, with the next word where it needs one.
func (f option) take(name, value string, given bool, rest []string) ([]string, error) {
	switch {
	case given:
	case f.without != "":
		value = f.without
	case len(rest) == 0:
		return nil, fmt.Errorf("%s: it wants a value", name)
	default:
		value, rest = rest[0], rest[1:]
	}
	if err := f.set(value); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return rest, nil
}

// print answers --help and --version.
func (o *options) print() bool {
	switch {
	case o.help:
		os.Stdout.WriteString(usage)
	case o.version:
		os.Stdout.WriteString("chrun " + version + "\n")
	}
	return o.help || o.version
}
