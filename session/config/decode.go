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

// A kind is the type of a value in a file.
type kind int

const (
	textKind  kind = iota // a string
	listKind              // a list of strings
	namesKind             // a list of strings without commas
	tableKind             // a table of strings or of tables
)

// A key is a key of a table; set checks its value and stores it in T. The lists
// of keys below define the format of the files.
type key[T any] struct {
	name string
	kind kind
	set  func(s *Source, to *T, value any) error
}

var configKeys = []key[Config]{
	{"default", textKind, func(_ *Source, c *Config, v any) (err error) {
		if c.Default, err = parseText(v); err == nil && !ValidName(c.Default) {
			err = errBadName(c.Default)
		}
		return err
	}},
}

var identities = []string{"auto", "match", "remap", "subid", "idmap", "grant"}

// settingKeys are the keys of a chroot, and of one program in it.
var settingKeys = []key[Settings]{
	{"user", textKind, func(_ *Source, c *Settings, v any) (err error) { c.User, err = parseText(v); return err }},
	{"home", textKind, func(s *Source, c *Settings, v any) (err error) {
		if c.Home, err = parseText(v); err != nil || slices.Contains([]string{"auto", "private", "host", "temporary"}, c.Home) {
			return err
		}
		if c.Home, err = s.expandAbsolute(c.Home); err != nil {
			err = fmt.Errorf("%w; must be auto, private, host, temporary or a directory", err)
		}
		return err
	}},
	{"personality", textKind, func(_ *Source, c *Settings, v any) (err error) {
		if c.Personality, err = parseText(v); err == nil && c.Personality != "linux32" && c.Personality != "linux64" {
			err = fmt.Errorf("%q: must be linux32 or linux64", c.Personality)
		}
		return err
	}},
	{"identity", textKind, func(_ *Source, c *Settings, v any) (err error) {
		if c.Identity, err = parseText(v); err == nil && !slices.Contains(identities, c.Identity) {
			err = fmt.Errorf("%q: must be one of %s", c.Identity, strings.Join(identities, ", "))
		}
		return err
	}},
	{"map", textKind, func(_ *Source, c *Settings, v any) (err error) {
		if c.Map, err = parseText(v); err == nil {
			if n, bad := strconv.ParseUint(c.Map, 10, 31); bad != nil || n == 0 {
				err = fmt.Errorf("%q: must be the number of your account in the chroot", c.Map)
			}
		}
		return err
	}},
	{"bind", listKind, func(s *Source, c *Settings, v any) (err error) { c.Bind, err = parseList(v, s.expandBind); return err }},
	{"env", tableKind, func(_ *Source, c *Settings, v any) (err error) { c.Env, err = parseEnv(v); return err }},
	{"allow", namesKind, func(s *Source, c *Settings, v any) (err error) {
		c.Allow, err = parseList(v, s.checkFeature)
		return err
	}},
	{"deny", namesKind, func(s *Source, c *Settings, v any) (err error) {
		c.Deny, err = parseList(v, s.checkFeature)
		return err
	}},
}

func chrootKeys() []key[Chroot] {
	keys := []key[Chroot]{{"path", textKind, func(s *Source, c *Chroot, v any) error {
		p, err := parseText(v)
		if err == nil {
			p, err = s.expandAbsolute(p)
		}
		c.Path = rootfs.HostPath(p)
		return err
	}}}
	for _, k := range settingKeys {
		keys = append(keys, key[Chroot]{k.name, k.kind, func(s *Source, c *Chroot, v any) error { return k.set(s, &c.Settings, v) }})
	}
	keys = append(keys, key[Chroot]{"sync", textKind, func(_ *Source, c *Chroot, v any) (err error) {
		if c.Sync, err = parseText(v); err == nil && c.Sync != "on" && c.Sync != "off" {
			err = fmt.Errorf("%q: must be on or off", c.Sync)
		}
		return err
	}})
	return append(keys, key[Chroot]{"app", tableKind, func(s *Source, c *Chroot, v any) (err error) { c.Apps, err = parseApps(s, v); return err }})
}

// parseApps parses the tables app.COMMAND.
func parseApps(s *Source, v any) (map[string]Settings, error) {
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
			bad = bad.add(command, fmt.Errorf("%q is not the base name of a COMMAND", command), nil)
		case !ok:
			bad = bad.add(command, errors.New("it must be a table of settings"), nil)
		default:
			if err := parseFields(s, t, settingKeys, &app); err != nil {
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

// parseFields parses a table into to. Errors are mistakes.
func parseFields[T any](s *Source, t map[string]any, keys []key[T], to *T) error {
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
			bad = append(bad, &mistake{key: []string{name}, allowed: allowed, err: fmt.Errorf("unknown key %q", name)})
		}
	}
	return bad.orNil()
}

// decode parses a file into to. The error is the mistake in the first line.
func decode[T any](s *Source, file string, data []byte, keys []key[T], to *T) error {
	var t map[string]any
	if err := toml.Unmarshal(data, &t); err != nil {
		line, why := 0, strings.TrimPrefix(err.Error(), "toml: ")
		if d := (*toml.DecodeError)(nil); errors.As(err, &d) {
			line, _ = d.Position()
		}
		return &Error{File: file, Line: line, Err: errors.New(why), Allowed: keyNames(keys)}
	}
	err := parseFields(s, t, keys, to)
	if err == nil {
		return nil
	}
	lines := indexLines(data)
	var first *Error
	for _, m := range err.(mistakes) {
		if line := lines.find(m.key); first == nil || line < first.Line {
			first = &Error{File: file, Line: line, Err: errors.New(m.Error()), Allowed: m.allowed}
		}
	}
	return first
}

// A mistake is an invalid value or an unknown key.
type mistake struct {
	key     []string // from the top of the file; in a list it ends in the index
	label   string   // the key as messages show it
	allowed []string // the keys that are valid there
	err     error
}

func (m *mistake) Error() string {
	if m.label == "" {
		return m.err.Error()
	}
	return m.label + ": " + m.err.Error()
}

// mistakes are all mistakes in a value. As an error it shows the first one.
type mistakes []*mistake

func (m mistakes) Error() string { return m[0].Error() }

func (m mistakes) orNil() error {
	if len(m) == 0 {
		return nil
	}
	return m
}

// add appends err, a mistake or mistakes in the value of the key name. Those
// that do not list valid keys get allowed.
func (m mistakes) add(name string, err error, allowed []string) mistakes {
	inner, ok := err.(mistakes)
	if !ok {
		inner = mistakes{{err: err}}
	}
	for _, i := range inner {
		i.key = append([]string{name}, i.key...)
		if i.label = strings.TrimSuffix(name+"."+i.label, "."); i.allowed == nil {
			i.allowed = allowed
		}
		m = append(m, i)
	}
	return m
}
