package request

import (
	"path"
	"strings"

	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/config"
)

// Choice is the chroot that a launch uses, with the settings that apply to its
// COMMAND and its menu entry.
type Choice struct {
	*config.Chroot
	conf *config.Config
}

// Choose finds the chroot: --chroot, $CHRUN_CHROOT, the default, the only one.
// Settings for one program, [app.NAME], apply by the name of COMMAND and by the
// ID of the menu entry, which wins.
func Choose(flags *cli.Flags, conf *config.Config, env session.Environ) (*Choice, error) {
	ch, err := conf.Select(flags.Chroot, env.Get("CHRUN_CHROOT"))
	if err != nil {
		return nil, err
	}
	if len(flags.Command) > 0 {
		ch = ch.ForCommand(flags.Command[0])
	}
	if flags.App != "" {
		ch = ch.ForCommand(flags.App)
	}
	return &Choice{ch, conf}, nil
}

// Config is the configuration that the choice was made from.
func (c *Choice) Config() *config.Config { return c.conf }

// HintName is how a hint names the chroot to root: by its name if that is in
// the configuration for all users, else by its directory.
func (c *Choice) HintName(dir session.HostPath) string {
	if c.Name != "" && path.Dir(path.Dir(c.File)) == cli.SystemDir {
		return c.Name
	}
	return string(dir)
}

// Setting is a value together with where it comes from.
type Setting struct {
	Value string
	// FromFlag reports whether the command line has it.
	FromFlag bool
	// Origin is where a configuration file has it. If that is not known and
	// FromFlag is false, Value is the default.
	Origin config.Origin
}

// Resolved are the settings that come from the command line, a file or a
// default.
type Resolved struct{ User, Identity, Home Setting }

// resolve settles what the command line and the configuration say.
func resolve(flags *cli.Flags, c *Choice) Resolved {
	pick := func(name, flag, configured string) Setting {
		switch {
		case flag != "":
			return Setting{Value: flag, FromFlag: true}
		case configured != "":
			return Setting{Value: configured, Origin: c.Origin(name, configured)}
		}
		return Setting{}
	}
	return Resolved{
		User:     pick("user", flags.User, c.User),
		Identity: pick("identity", flags.Identity, c.Identity),
		Home:     pick("home", flags.Home, c.Home),
	}
}

// Program is how a hint begins that makes the same launch.
func (r Role) Program() []string {
	if r.Root || r.Tree >= 0 {
		return []string{"sudo", "chrun"}
	}
	return []string{"chrun"}
}

// sudoLine is the command line that does the same as root: with the flags as
// typed, except -c and, for another user, -u and --identity.
func sudoLine(flags *cli.Flags, chroot, user string, command []string) string {
	words := []string{"sudo", "chrun", "-c", chroot}
	except := []string{"chroot"}
	if user != "" {
		words = append(words, "-u", user)
		except = append(except, "user", "identity")
	}
	return session.Quote(append(append(words, flags.Words(except...)...), command...)...)
}

// isOption reports whether a word looks like an option.
func isOption(word string) bool { return strings.HasPrefix(word, "-") }
