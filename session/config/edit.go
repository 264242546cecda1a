package config

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
)

// An Edit is one change to a configuration file.
type Edit struct {
	Key   []string // from the top of the file
	Op    Op
	Value any // a string or, for a list, []any of strings
}

// Op is what an Edit does.
type Op int

const (
	Set    Op = iota // set the key to the value
	Add              // add the elements to the list, unless it has them
	Unset            // remove the key, or the table with all its keys
	Remove           // remove the elements from the list, and the key with the last one
)

// EditError reports an edit that cannot be made.
type EditError struct {
	Key     string // as typed
	Op      Op
	Err     error
	Allowed []string // the valid keys, if Key is unknown
}

func (e *EditError) Error() string {
	verb := [...]string{"set", "add to", "unset", "remove from"}[e.Op]
	text := fmt.Sprintf("cannot %s %s: %v", verb, e.Key, e.Err)
	if e.Allowed != nil {
		text += " (allowed: " + strings.Join(e.Allowed, ", ") + ")"
	}
	return text
}

func (e *EditError) Unwrap() error { return e.Err }

// ParseEdit parses KEY=VALUE, KEY+=VALUE or KEY-=VALUE for the file of a chroot. KEY is one
// of its keys, env.NAME, app.COMMAND.KEY or app.COMMAND.env.NAME. Names of
// features may be separated by commas. Errors are *EditError.
func ParseEdit(s string) (Edit, error) {
	name, value, ok := strings.Cut(s, "=")
	e := Edit{Op: Set}
	if strings.HasSuffix(name, "+") {
		name, e.Op = strings.TrimSuffix(name, "+"), Add
	} else if strings.HasSuffix(name, "-") {
		name, e.Op = strings.TrimSuffix(name, "-"), Remove
	}
	fail := func(why string, allowed []string) (Edit, error) {
		return e, &EditError{Key: name, Op: e.Op, Err: errors.New(why), Allowed: allowed}
	}
	if !ok {
		return fail("the form is KEY=VALUE, KEY+=VALUE or KEY-=VALUE", nil)
	}
	var k kind
	if e.Key, k, ok = parseKey(name); !ok {
		return fail("unknown key", typedKeys())
	}
	if !utf8.ValidString(s) {
		return fail(errNotUTF8.Error(), nil)
	}
	switch {
	case name == "app":
		return fail("it is a table: app.COMMAND.KEY=VALUE", nil)
	case k == tableKind && e.Key[0] == "app" && len(e.Key) == 2:
		return fail("it is a table: "+name+".KEY=VALUE", nil)
	case k == tableKind:
		return fail("it is a table: "+name+".NAME=VALUE", nil)
	case k == textKind && e.Op != Set:
		return fail("it is not a list: "+name+"=VALUE", nil)
	case k == textKind:
		e.Value = value
	case k == namesKind:
		var list []any
		for _, v := range strings.Split(value, ",") {
			list = append(list, v)
		}
		e.Value = list
	default:
		e.Value = []any{value}
	}
	return e, nil
}

// ParseUnset parses a KEY to unset. It accepts unknown keys, so that mistakes in
// a file can be removed.
func ParseUnset(name string) Edit {
	key, _, ok := parseKey(name)
	if !ok {
		key = strings.Split(name, ".")
	}
	return Edit{Key: key, Op: Unset}
}

// parseKey parses a KEY of the command line. Names of variables and programs may
// contain dots: app.python3.12.user.
func parseKey(name string) (path []string, k kind, ok bool) {
	lookup := func(name string) (kind, bool) {
		for _, k := range settingKeys {
			if k.name == name {
				return k.kind, true
			}
		}
		return 0, false
	}
	top, rest, dotted := strings.Cut(name, ".")
	switch {
	case name == "path", name == "sync":
		return []string{name}, textKind, true
	case name == "app":
		return []string{name}, tableKind, true
	case top == "env" && dotted:
		return []string{top, rest}, textKind, rest != ""
	case top != "app":
		k, ok = lookup(name)
		return []string{name}, k, ok
	}
	if command, variable, ok := strings.Cut(rest, ".env."); ok && command != "" {
		return []string{top, command, "env", variable}, textKind, variable != ""
	}
	if i := strings.LastIndex(rest, "."); i > 0 {
		if k, ok := lookup(rest[i+1:]); ok {
			return []string{top, rest[:i], rest[i+1:]}, k, true
		}
	}
	return []string{top, rest}, tableKind, rest != ""
}

// typedKeys lists the keys in the form that ParseEdit reads.
func typedKeys() []string {
	list := keyNames(chrootKeys())
	for i, name := range list {
		switch name {
		case "env":
			list[i] = "env.NAME"
		case "app":
			list[i] = "app.COMMAND.KEY"
		}
	}
	return list
}

func (e *Edit) wrap(err error) error {
	return &EditError{Key: strings.Join(e.Key, "."), Op: e.Op, Err: err}
}

// apply makes the edit in the content of a file, which must be valid TOML, and
// leaves every other byte as it is. Errors are *EditError.
func (e *Edit) apply(data []byte) ([]byte, error) {
	current, err := parseTOML(data)
	if err != nil {
		return nil, e.wrap(err)
	}
	desired, err := parseTOML(data)
	if err == nil {
		err = e.applyTo(desired)
	}
	if err != nil {
		return nil, e.wrap(err)
	}
	if e.Op == Add && reflect.DeepEqual(current, desired) {
		return data, nil // the list has all elements already
	}
	prune(desired)
	// Not every candidate is valid TOML: a table may be extended only in some
	// of its forms. The first one that parses to the desired values wins.
	for _, out := range e.candidates(data) {
		result, err := parseTOML(out)
		if err != nil {
			continue
		}
		if prune(result); reflect.DeepEqual(result, desired) {
			return out, nil
		}
	}
	return nil, e.wrap(errors.New("the file has it in a form that chrunctl cannot change; edit the file"))
}

func parseTOML(data []byte) (t map[string]any, err error) {
	err = toml.Unmarshal(data, &t)
	if t == nil {
		t = map[string]any{}
	}
	return t, err
}

// applyTo makes the edit in the parsed values of a file.
func (e *Edit) applyTo(t map[string]any) error {
	last := len(e.Key) - 1
	for _, name := range e.Key[:last] {
		if t[name] == nil && !e.removes() {
			t[name] = map[string]any{}
		}
		inner, ok := t[name].(map[string]any)
		switch {
		case !ok && t[name] != nil && !e.removes():
			return fmt.Errorf("%q is not a table in the file", name)
		case !ok:
			return errNotSet
		}
		t = inner
	}
	name := e.Key[last]
	old, exists := t[name]
	switch {
	case e.removes() && !exists:
		return errNotSet
	case e.Op == Unset:
		delete(t, name)
		return nil
	case e.Op == Set || !exists:
		if _, ok := old.(map[string]any); ok {
			return errors.New("it is a table in the file")
		}
		t[name] = e.Value
		return nil
	}
	list, ok := old.([]any)
	if !ok {
		return errors.New("it is not a list in the file")
	}
	if e.Op == Add {
		t[name] = append(list, e.missingFrom(list)...)
		return nil
	}
	if missing := e.missingFrom(list); missing != nil {
		return fmt.Errorf("it has no %s, only %s", formatList(missing), formatList(list))
	}
	t[name] = slices.DeleteFunc(slices.Clone(list), func(v any) bool { return slices.Contains(e.Value.([]any), v) })
	if len(t[name].([]any)) == 0 {
		delete(t, name)
	}
	return nil
}

// removes reports whether the edit changes only what is in the file.
func (e *Edit) removes() bool { return e.Op == Unset || e.Op == Remove }

// formatList formats the elements of a list for a message.
func formatList(list []any) string {
	var words []string
	for _, v := range list {
		words = append(words, fmt.Sprint(v))
	}
	return strings.Join(words, ", ")
}

var (
	errNotSet  = errors.New("it is not set")
	errNotUTF8 = errors.New("TOML allows only UTF-8")
)

// missingFrom returns the elements of the edit that list does not have.
func (e *Edit) missingFrom(list []any) (add []any) {
	for _, v := range e.Value.([]any) {
		if !slices.Contains(list, v) && !slices.Contains(add, v) {
			add = append(add, v)
		}
	}
	return add
}

// prune removes empty tables, because an empty section does not matter.
func prune(t map[string]any) {
	maps.DeleteFunc(t, func(_ string, v any) bool {
		inner, ok := v.(map[string]any)
		if ok {
			prune(inner)
		}
		return ok && len(inner) == 0
	})
}

// formatValue formats a value as TOML.
func formatValue(v any) string {
	list, ok := v.([]any)
	if !ok {
		return quote(v.(string))
	}
	words := make([]string, len(list))
	for i, e := range list {
		words[i] = quote(e.(string))
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// quote formats s as a TOML string, in single quotes if that saves backslashes.
func quote(s string) string {
	control := strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
	if strings.ContainsAny(s, `"\`) && !control && !strings.Contains(s, "'") {
		return "'" + s + "'"
	}
	var b bytes.Buffer
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// quoteKey formats a dotted key as TOML.
func quoteKey(key []string) string {
	needsQuotes := func(r rune) bool { return r >= 0x80 || !alphanumeric(byte(r)) && r != '-' }
	words := make([]string, len(key))
	for i, k := range key {
		words[i] = k
		if k == "" || strings.ContainsFunc(k, needsQuotes) {
			words[i] = quote(k)
		}
	}
	return strings.Join(words, ".")
}
