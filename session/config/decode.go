package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"chrun/session/rootfs"
)

// A kind is what a value is, in a file and on a command line.
type kind int

const (
	textKind  kind = iota // a string
	listKind              // a list of strings
	namesKind             // a list of strings without commas
	tableKind             // of strings, or of tables
)

// A key is a key of a table, and how its value becomes a part of T. The lists
// of keys are what a file may say.
type key[T any] struct {
	name string
	kind kind
	set  func(s *Source, to *T, value any) error
}

var configKeys = []key[Config]{
	{"default", textKind, func(_ *Source, c *Config, v any) (err error) {
		if c.Default, err = text(v); err == nil && !ValidName(c.Default) {
			err = errBadName(c.Default)
		}
		return err
	}},
}

var identities = []string{"auto", "match", "remap", "subid", "idmap", "grant"}

// settingKeys are those of a chroot, and of one program in it.
var settingKeys = []key[Settings]{
	{"user", textKind, func(_ *Source, c *Settings, v any) (err error) { c.User, err = text(v); return err }},
	{"home", textKind, func(s *Source, c *Settings, v any) (err error) {
		if c.Home, err = text(v); err != nil || slices.Contains([]string{"auto", "private", "host", "temporary"}, c.Home) {
			return err
		}
		if c.Home, err = s.absolute(c.Home); err != nil {
			err = fmt.Errorf("%w; it is auto, private, host, temporary or a directory", err)
		}
		return err
	}},
	{"personality", textKind, func(_ *Source, c *Settings, v any) (err error) {
		if c.Personality, err = text(v); err == nil && c.Personality != "linux32" && c.Personality != "linux64" {
			err = fmt.Errorf("%q: it is linux32 or linux64", c.Personality)
		}
		return err
	}},
	{"identity", textKind, func(_ *Source, c *Settings, v any) (err error) {
		if c.Identity, err = text(v); err == nil && !slices.Contains(identities, c.Identity) {
			err = fmt.Errorf("%q: it is %s", c.Identity, strings.Join(identities, ", "))
		}
		return err
	}},
	{"map", textKind, func(_ *Source, c *Settings, v any) (err error) {
		if c.Map, err = text(v); err == nil {
			if n, bad := strconv.ParseUint(c.Map, 10, 31); bad != nil || n == 0 {
				err = fmt.Errorf("%q: it is the number of the account that is you inside", c.Map)
			}
		}
		return err
	}},
	{"bind", listKind, func(s *Source, c *Settings, v any) (err error) { c.Bind, err = list(v, s.bind); return err }},
	{"env", tableKind, func(_ *Source, c *Settings, v any) (err error) { c.Env, err = environment(v); return err }},
	{"allow", namesKind, func(s *Source, c *Settings, v any) (err error) { c.Allow, err = list(v, s.feature); return err }},
	{"deny", namesKind, func(s *Source, c *Settings, v any) (err error) { c.Deny, err = list(v, s.feature); return err }},
}

var chrootKeys = func() []key[Chroot] {
	keys := []key[Chroot]{{"path", textKind, func(s *Source, c *Chroot, v any) error {
		p, err := text(v)
		if err == nil {
			p, err = s.absolute(p)
		}
		c.Path = rootfs.HostPath(p)
		return err
	}}}
	for _, k := range settingKeys {
		keys = append(keys, key[Chroot]{k.name, k.kind, func(s *Source, c *Chroot, v any) error { return k.set(s, &c.Settings, v) }})
	}
	return append(keys, key[Chroot]{"app", tableKind, func(s *Source, c *Chroot, v any) (err error) { c.Apps, err = apps(s, v); return err }})
}()

// apps reads the tables app.COMMAND.
func apps(s *Source, v any) (map[string]Settings, error) {
	tables, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("it must be a table of programs: [app.COMMAND]")
	}
	out := make(map[string]Settings, len(tables))
	var bad mistakes
	for _, command := range slices.Sorted(maps.Keys(tables)) {
		t, ok := tables[command].(map[string]any)
		var app Settings
		switch {
		case command == "" || command == "." || command == ".." || strings.ContainsAny(command, "/\x00\n"):
			bad = bad.add(command, fmt.Errorf("%q is no base name of a COMMAND", command), nil)
		case !ok:
			bad = bad.add(command, errors.New("it must be a table of settings"), nil)
		default:
			if err := fields(s, t, settingKeys, &app); err != nil {
				bad = bad.add(command, err, nil)
			}
			out[command] = app
		}
	}
	return out, bad.orNil()
}

func keyNames[T any](keys []key[T]) (list []string) {
	for _, k := range keys {
		list = append(list, k.name)
	}
	return list
}

// fields reads a table into to. Errors are mistakes.
func fields[T any](s *Source, t map[string]any, keys []key[T], to *T) error {
	allowed := keyNames(keys)
	var bad mistakes
	for _, k := range keys {
		if v, ok := t[k.name]; ok {
			if err := k.set(s, to, v); err != nil {
				bad = bad.add(k.name, err, allowed)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if !slices.Contains(allowed, name) {
			bad = append(bad, &mistake{where: []string{name}, allowed: allowed, err: fmt.Errorf("unknown key %q", name)})
		}
	}
	return bad.orNil()
}

// decode reads a file into to. The error is the first mistake in the order of
// lines.
func decode[T any](s *Source, file string, data []byte, keys []key[T], to *T) error {
	var t map[string]any
	if err := toml.Unmarshal(data, &t); err != nil {
		line, why := 0, strings.TrimPrefix(err.Error(), "toml: ")
		if d := (*toml.DecodeError)(nil); errors.As(err, &d) {
			line, _ = d.Position()
		}
		return &Error{File: file, Line: line, Err: errors.New(why), Allowed: keyNames(keys)}
	}
	err := fields(s, t, keys, to)
	if err == nil {
		return nil
	}
	at := newLines(data)
	var first *Error
	for _, m := range err.(mistakes) {
		if line := at.of(m.where); first == nil || line < first.Line {
			first = &Error{File: file, Line: line, Err: errors.New(m.Error()), Allowed: m.allowed}
		}
	}
	return first
}

// A mistake is one in the value of a key.
type mistake struct {
	where   []string // the keys that lead to it; in a list also its index
	shown   string   // the keys as a person says them
	allowed []string // the keys that there are
	err     error
}

func (m *mistake) Error() string {
	if m.shown == "" {
		return m.err.Error()
	}
	return m.shown + ": " + m.err.Error()
}

// mistakes are all of a value.
type mistakes []*mistake

func (m mistakes) Error() string { return m[0].Error() }

func (m mistakes) orNil() error {
	if len(m) == 0 {
		return nil
	}
	return m
}

// add adds what is wrong with the value of the key name. What knows no keys
// yet may have those that are allowed.
func (m mistakes) add(name string, err error, allowed []string) mistakes {
	inner, ok := err.(mistakes)
	if !ok {
		inner = mistakes{{err: err}}
	}
	for _, i := range inner {
		i.where = append([]string{name}, i.where...)
		if i.shown = strings.TrimSuffix(name+"."+i.shown, "."); i.allowed == nil {
			i.allowed = allowed
		}
		m = append(m, i)
	}
	return m
}
