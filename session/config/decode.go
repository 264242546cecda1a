package config

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"chrun/session/rootfs"
)

// A key is a key of a file, and how its value becomes a part of T. The tables
// of keys are what a file may say.
type key[T any] struct {
	name string
	set  func(s *Source, to *T, value any) error
}

var configKeys = []key[Config]{
	{"default", func(_ *Source, c *Config, v any) (err error) {
		if c.Default, err = text(v); err == nil && !ValidName(c.Default) {
			err = errBadName(c.Default)
		}
		return err
	}},
}

var chrootKeys = []key[Chroot]{
	{"path", func(s *Source, c *Chroot, v any) error {
		p, err := text(v)
		if err == nil {
			p, err = s.absolute(p)
		}
		c.Path = rootfs.HostPath(p)
		return err
	}},
	{"user", func(_ *Source, c *Chroot, v any) (err error) { c.User, err = text(v); return err }},
	{"home", func(s *Source, c *Chroot, v any) (err error) {
		if c.Home, err = text(v); err != nil {
			return err
		}
		switch c.Home {
		case "auto", "private", "host", "temporary":
			return nil
		}
		if c.Home, err = s.absolute(c.Home); err != nil {
			err = fmt.Errorf("%w; it is auto, private, host, temporary or a directory", err)
		}
		return err
	}},
	{"bind", func(s *Source, c *Chroot, v any) (err error) { c.Bind, err = list(v, s.bind); return err }},
	{"env", func(_ *Source, c *Chroot, v any) (err error) { c.Env, err = environment(v); return err }},
	{"allow", func(s *Source, c *Chroot, v any) (err error) { c.Allow, err = list(v, s.feature); return err }},
	{"deny", func(s *Source, c *Chroot, v any) (err error) { c.Deny, err = list(v, s.feature); return err }},
}

func names[T any](keys []key[T]) (list []string) {
	for _, k := range keys {
		list = append(list, k.name)
	}
	return list
}

// decode reads a file into to. The error is the first mistake in the order of
// lines.
func decode[T any](s *Source, file string, data []byte, keys []key[T], to *T) error {
	mistake := func(line int, err error) *Error {
		return &Error{File: file, Line: line, Err: err, Allowed: names(keys)}
	}
	var table map[string]any
	if err := toml.Unmarshal(data, &table); err != nil {
		line, why := 0, strings.TrimPrefix(err.Error(), "toml: ")
		if d := (*toml.DecodeError)(nil); errors.As(err, &d) {
			line, _ = d.Position()
		}
		return mistake(line, errors.New(why))
	}
	var first *Error
	note := func(err *Error) {
		if first == nil || err.Line < first.Line {
			first = err
		}
	}
	for _, k := range keys {
		v, ok := table[k.name]
		if !ok {
			continue
		}
		delete(table, k.name)
		if err := k.set(s, to, v); err != nil {
			where, name := []string{k.name}, k.name
			if p := (*partError)(nil); errors.As(err, &p) {
				where = append(where, p.part)
				if p.named {
					name += "." + p.part
				}
			}
			note(mistake(lineOf(data, where), fmt.Errorf("%s: %w", name, err)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		note(mistake(lineOf(data, []string{name}), fmt.Errorf("unknown key %q", name)))
	}
	if first != nil {
		return first
	}
	return nil
}

// partError is a mistake in one part of a value: an element of a list by its
// index, or a named one of a table.
type partError struct {
	part  string
	named bool
	error
}

func (e *partError) Unwrap() error { return e.error }

func text(v any) (string, error) {
	s, ok := v.(string)
	switch {
	case !ok:
		return "", errors.New("it must be a string")
	case s == "":
		return "", errors.New("it is empty")
	case strings.ContainsAny(s, "\x00\n"):
		return "", fmt.Errorf("%q holds a NUL or a newline", s)
	}
	return s, nil
}

// list reads a list of strings, each through item.
func list(v any, item func(string) (string, error)) ([]string, error) {
	elements, ok := v.([]any)
	if !ok {
		return nil, errors.New("it must be a list of strings")
	}
	out := make([]string, 0, len(elements))
	for i, e := range elements {
		s, err := text(e)
		if err == nil {
			s, err = item(s)
		}
		if err != nil {
			return nil, &partError{part: strconv.Itoa(i), error: err}
		}
		out = append(out, s)
	}
	return out, nil
}

// environment reads a table NAME = "VALUE". A VALUE may be empty and may have
// newlines. Names are taken in order, so that the mistake named is always the
// same one.
func environment(v any) (map[string]string, error) {
	table, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("it must be a table of strings")
	}
	env := make(map[string]string, len(table))
	var bad *partError
	for name, v := range table {
		value, ok := v.(string)
		var err error
		switch {
		case name == "" || strings.ContainsAny(name, "=\x00"):
			err = fmt.Errorf("%q is no name of a variable", name)
		case !ok:
			err = errors.New("it must be a string")
		case strings.Contains(value, "\x00"):
			err = errors.New("it holds a NUL")
		}
		if err != nil && (bad == nil || name < bad.part) {
			bad = &partError{part: name, named: true, error: err}
		}
		env[name] = value
	}
	if bad != nil {
		return nil, bad
	}
	return env, nil
}

func (s *Source) feature(name string) (string, error) {
	if s.Feature == nil {
		return name, nil
	}
	return name, s.Feature(name)
}

// bind checks an element of bind and makes its source absolute.
func (s *Source) bind(b string) (string, error) {
	source, dest, ro, err := ParseBind(b)
	if err != nil {
		return "", err
	}
	if source, err = s.absolute(source); err != nil {
		return "", err
	}
	return formatBind(source, dest, ro), nil
}

// absolute expands a leading ~/ and refuses what is not absolute then.
func (s *Source) absolute(p string) (string, error) {
	full, err := s.expand(p)
	if err == nil && !path.IsAbs(full) {
		err = fmt.Errorf("%q is not an absolute path", p)
	}
	return full, err
}

// expand expands ~ and a leading ~/.
func (s *Source) expand(p string) (string, error) {
	if !strings.HasPrefix(p, "~") {
		return p, nil
	}
	rest := p[1:]
	if rest != "" && rest[0] != '/' {
		return "", fmt.Errorf("%q: only ~/ is understood, not the home of others", p)
	}
	home := ""
	if s.Home != nil {
		home = s.Home()
	}
	if !path.IsAbs(home) {
		return "", fmt.Errorf("%q: the home is not known", p)
	}
	return path.Join(home, rest), nil
}

// lineOf is the line where the key at where is set: a key, and a name or index
// in its value. data is known to be valid.
func lineOf(data []byte, where []string) int {
	best, at := -1, uint32(0)
	var table []string
	look := func(prefix []string, n *unstable.Node) []string {
		full := slices.Clone(prefix)
		start := uint32(0)
		for it := n.Key(); it.Next(); {
			if len(full) == len(prefix) {
				start = it.Node().Raw.Offset
			}
			full = append(full, string(it.Node().Data))
		}
		if k := min(len(full), len(where)); k > best && slices.Equal(full[:k], where[:k]) {
			best, at = k, start
		}
		return full
	}
	var p unstable.Parser
	p.Reset(data)
	for p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = look(nil, e)
		case unstable.KeyValue:
			full := look(table, e)
			if len(where) != len(full)+1 || !slices.Equal(full, where[:len(full)]) {
				continue
			}
			i := 0
			for it := e.Value().Children(); it.Next(); i++ {
				n := it.Node()
				if e.Value().Kind == unstable.InlineTable {
					look(full, n)
				} else if strconv.Itoa(i) == where[len(full)] && n.Raw.Length > 0 {
					best, at = len(where), n.Raw.Offset
				}
			}
		}
	}
	if best < 0 {
		return 0
	}
	return 1 + bytes.Count(data[:at], []byte{'\n'})
}
