package config

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

func parseText(v any) (string, error) {
	s, ok := v.(string)
	switch {
	case !ok:
		return "", errors.New("it must be a string")
	case s == "":
		return "", errors.New("it must not be empty")
	case strings.ContainsAny(s, "\x00\n"):
		return "", fmt.Errorf("%q contains a NUL byte or a newline", s)
	}
	return s, nil
}

// parseList reads a parseList of strings, each through item.
func parseList(v any, item func(string) (string, error)) ([]string, error) {
	elements, ok := v.([]any)
	if !ok {
		return nil, errors.New("it must be a list of strings")
	}
	out := make([]string, 0, len(elements))
	for i, e := range elements {
		s, err := parseText(e)
		if err == nil {
			s, err = item(s)
		}
		if err != nil {
			return nil, mistakes{{key: []string{strconv.Itoa(i)}, err: err}}
		}
		out = append(out, s)
	}
	return out, nil
}

// parseEnv parses a table NAME = "VALUE". A VALUE may be empty and may contain
// newlines.
func parseEnv(v any) (map[string]string, error) {
	vars, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("it must be a table of strings")
	}
	env := make(map[string]string, len(vars))
	var bad mistakes
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		value, ok := vars[name].(string)
		var err error
		switch {
		case name == "" || strings.ContainsAny(name, "=\x00"):
			err = fmt.Errorf("%q is not a valid variable name", name)
		case !ok:
			err = errors.New("it must be a string")
		case strings.Contains(value, "\x00"):
			err = errors.New("it contains a NUL byte")
		}
		if err != nil {
			bad = bad.add(name, err, nil)
		}
		env[name] = value
	}
	return env, bad.orNil()
}

func (s *Source) checkFeature(name string) (string, error) {
	if s.Feature == nil {
		return name, nil
	}
	return name, s.Feature(name)
}

// expandBind checks an element of bind and makes its source absolute.
func (s *Source) expandBind(b string) (string, error) {
	source, dest, ro, err := ParseBind(b)
	if err != nil {
		return "", err
	}
	if source, err = s.expandAbsolute(source); err != nil {
		return "", err
	}
	return formatBind(source, dest, ro), nil
}

// expandAbsolute expands a leading ~/ and rejects a path that is not absolute.
func (s *Source) expandAbsolute(p string) (string, error) {
	full, err := s.expandHome(p)
	if err == nil && !path.IsAbs(full) {
		err = fmt.Errorf("%q is not an absolute path", p)
	}
	return full, err
}

// expandHome expands ~ and a leading ~/.
func (s *Source) expandHome(p string) (string, error) {
	if !strings.HasPrefix(p, "~") {
		return p, nil
	}
	rest := p[1:]
	if rest != "" && rest[0] != '/' {
		return "", fmt.Errorf("%q: only ~/ is supported, not the homes of other users", p)
	}
	home := ""
	if s.Home != nil {
		home = s.Home()
	}
	if !path.IsAbs(home) {
		return "", fmt.Errorf("%q: the home directory is unknown", p)
	}
	return path.Join(home, rest), nil
}
