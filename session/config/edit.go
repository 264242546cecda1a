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

// An Edit is one change to a file.
type Edit struct {
	Key   []string // from the top of the file
	Op    Op
	Value any // a string or, for a list, []any of strings
}

// Op is what an Edit does.
type Op int

const (
	Set   Op = iota // the key has the value
	Add             // the list has the elements too
	Unset           // the key is not there; nor, of a table, what is in it
)

// EditError is an edit that cannot be made.
type EditError struct {
	Key     string // as it was typed
	Op      Op
	Err     error
	Allowed []string // the keys that there are, if Key is none
}

func (e *EditError) Error() string {
	verb := [...]string{"set", "add to", "unset"}[e.Op]
	text := fmt.Sprintf("cannot %s %s: %v", verb, e.Key, e.Err)
	if e.Allowed != nil {
		text += " (allowed: " + strings.Join(e.Allowed, ", ") + ")"
	}
	return text
}

func (e *EditError) Unwrap() error { return e.Err }

// ParseEdit reads KEY=VALUE or KEY+=VALUE for the file of a chroot. KEY is one
// of its keys, env.NAME, app.COMMAND.KEY or app.COMMAND.env.NAME. Names of
// features may be separated by commas. Errors are *EditError.
func ParseEdit(s string) (Edit, error) {
	name, value, ok := strings.Cut(s, "=")
	e := Edit{Op: Set}
	if strings.HasSuffix(name, "+") {
		name, e.Op = strings.TrimSuffix(name, "+"), Add
	}
	fail := func(why string, allowed []string) (Edit, error) {
		return e, &EditError{Key: name, Op: e.Op, Err: errors.New(why), Allowed: allowed}
	}
	if !ok {
		return fail("the form is KEY=VALUE or KEY+=VALUE", nil)
	}
	var k kind
	if e.Key, k, ok = parseKey(name); !ok {
		return fail("unknown key", typed())
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
	case k == textKind && e.Op == Add:
		return fail("it is no list: "+name+"=VALUE", nil)
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

// ParseUnset reads a KEY to take away; it need not be one of those that there
// are, so that a mistake in a file can be.
func ParseUnset(name string) Edit {
	key, _, ok := parseKey(name)
	if !ok {
		key = strings.Split(name, ".")
	}
	return Edit{Key: key, Op: Unset}
}

// parseKey reads the KEY of a command line. Dots belong to the names of
// variables and programs: app.python3.12.user.
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
	case name == "path":
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

// typed lists the keys as they are typed.
func typed() []string {
	list := keyNames(chrootKeys)
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

func (e *Edit) error(err error) error {
	return &EditError{Key: strings.Join(e.Key, "."), Op: e.Op, Err: err}
}

// Apply makes the edit in the content of a file, and changes nothing else: not
// a comment, not a blank. Errors are *EditError; data is known to be TOML.
func (e *Edit) Apply(data []byte) ([]byte, error) {
	was, err := values(data)
	if err != nil {
		return nil, e.error(err)
	}
	want, err := values(data)
	if err == nil {
		err = e.on(want)
	}
	if err != nil {
		return nil, e.error(err)
	}
	if e.Op == Add && reflect.DeepEqual(was, want) {
		return data, nil // it has them
	}
	prune(want)
	// TOML forbids some ways to write down what it allows in others: the
	// result decides.
	for _, out := range e.ways(data) {
		got, err := values(out)
		if err != nil {
			continue
		}
		if prune(got); reflect.DeepEqual(got, want) {
			return out, nil
		}
	}
	return nil, e.error(errors.New("the file has it in a form that only an editor can change"))
}

func values(data []byte) (t map[string]any, err error) {
	err = toml.Unmarshal(data, &t)
	if t == nil {
		t = map[string]any{}
	}
	return t, err
}

// on makes the edit in the values of a file.
func (e *Edit) on(t map[string]any) error {
	last := len(e.Key) - 1
	for _, name := range e.Key[:last] {
		if t[name] == nil && e.Op != Unset {
			t[name] = map[string]any{}
		}
		inner, ok := t[name].(map[string]any)
		switch {
		case !ok && t[name] != nil && e.Op != Unset:
			return fmt.Errorf("%q is no table in the file", name)
		case !ok:
			return errNotSet
		}
		t = inner
	}
	name := e.Key[last]
	old, there := t[name]
	switch {
	case e.Op == Unset && !there:
		return errNotSet
	case e.Op == Unset:
		delete(t, name)
		return nil
	case e.Op == Set || !there:
		if _, ok := old.(map[string]any); ok {
			return errors.New("it is a table in the file")
		}
		t[name] = e.Value
		return nil
	}
	list, ok := old.([]any)
	if !ok {
		return errors.New("it is no list in the file")
	}
	t[name] = append(list, e.missing(list)...)
	return nil
}

var (
	errNotSet  = errors.New("it is not set")
	errNotUTF8 = errors.New("TOML holds UTF-8 alone")
)

// missing are the elements to add that list has not.
func (e *Edit) missing(list []any) (add []any) {
	for _, v := range e.Value.([]any) {
		if !slices.Contains(list, v) && !slices.Contains(add, v) {
			add = append(add, v)
		}
	}
	return add
}

// prune removes empty tables: whether a file has the header of one does not
// matter.
func prune(t map[string]any) {
	maps.DeleteFunc(t, func(_ string, v any) bool {
		inner, ok := v.(map[string]any)
		if ok {
			prune(inner)
		}
		return ok && len(inner) == 0
	})
}

// format is a value as TOML.
func format(v any) string {
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

// quote is s as a TOML string: '…' if that saves backslashes.
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

// quoteKey is a dotted key as TOML.
func quoteKey(key []string) string {
	words := make([]string, len(key))
	for i, k := range key {
		if words[i] = k; k == "" || strings.ContainsFunc(k, func(r rune) bool { return r >= 0x80 || !alphanumeric(byte(r)) && r != '-' }) {
			words[i] = quote(k)
		}
	}
	return strings.Join(words, ".")
}
