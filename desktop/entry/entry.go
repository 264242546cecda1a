// Package entry reads and rewrites desktop entries, so that the host's menu can run
// a program of a chroot. It converts bytes to bytes: package export reads and
// writes the files, and the icons and services of an entry.
//
// An entry of a chroot may be hostile, and the result is read by every desktop of
// the host, some of which execute more than Exec. So the result contains only what
// this package knows.
//
// Sources: Desktop Entry Specification 1.5; for unusual entries GLib's gkeyfile.c
// and gdesktopappinfo.c.
package entry

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of an entry. The entries of an office suite in 120 languages have a few
// hundred lines of at most 8 KiB.
const (
	maxSize  = 1 << 20 // bytes
	maxLine  = 64 << 10
	maxLines = 10000
)

const mainGroup = "Desktop Entry"
const actionPrefix = "Desktop Action "

// Entry is a desktop entry. It keeps groups, lines, comments and translations in
// the order of the file.
type Entry struct {
	header  []line // before the first group
	groups  []group
	repairs []Dropped // what Parse left out
}

// parser adds lines to an entry.
type parser struct {
	*Entry
	group int // the index of the group that the next line belongs to
}

type group struct {
	name  string
	lines []line
}

// line is KEY[LOCALE]=VALUE, or without a key a comment or blank line.
type line struct {
	key, locale string
	value       string // as in the file: escaped
}

// Dropped is a part that a rewritten entry lacks, and why.
type Dropped struct{ Group, Key, Why string }

// Parse reads an entry as GLib does. It returns an error for a text that GLib does
// not accept, and leaves out lines that the specification does not allow.
func Parse(data []byte) (*Entry, error) {
	e := &parser{Entry: &Entry{}}
	switch {
	case len(data) > maxSize:
		return nil, fmt.Errorf("it is longer than %d KiB", maxSize>>10)
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return nil, errors.New("it is UTF-16, not UTF-8")
	case bytes.IndexByte(data, 0) >= 0:
		return nil, errors.New("it contains NUL bytes")
	}
	text, bom := strings.CutPrefix(string(data), "\ufeff")
	if bom {
		e.repairs = append(e.repairs, Dropped{Why: "a byte order mark, which desktop entries do not have"})
	}
	if text == "" {
		return nil, errors.New("it is empty")
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) > maxLines {
		return nil, fmt.Errorf("it has more than %d lines", maxLines)
	}
	returns := false
	for i, text := range lines {
		if len(text) > maxLine {
			return nil, fmt.Errorf("line %d is longer than %d KiB", i+1, maxLine>>10)
		}
		if t, ok := strings.CutSuffix(text, "\r"); ok {
			text, returns = t, true
		}
		if err := e.parseLine(text); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if returns {
		e.repairs = append(e.repairs, Dropped{Why: "carriage returns at the ends of lines"})
	}
	if len(e.groups) == 0 {
		return nil, errors.New("it has no group [Desktop Entry]")
	}
	return e.Entry, nil
}

// parseLine adds one line of the file.
func (e *parser) parseLine(text string) error {
	trimmed := strings.TrimLeft(text, " \t")
	if trimmed == "" || trimmed[0] == '#' {
		if !isPlainText(text) {
			text = "#"
		}
		lines := &e.header
		if len(e.groups) > 0 {
			lines = &e.groups[e.group].lines
		}
		*lines = append(*lines, line{value: text})
		return nil
	}
	if trimmed[0] == '[' {
		return e.openGroup(strings.TrimRight(trimmed, " \t"))
	}
	name, value, ok := strings.Cut(trimmed, "=")
	switch {
	case !ok:
		return errors.New("it is not a key, comment or group")
	case len(e.groups) == 0:
		return errors.New("it has a key before the first group")
	}
	g := &e.groups[e.group]
	name = strings.TrimRight(name, " \t")
	key, locale, err := cutLocale(name)
	if err != nil {
		return err
	}
	l := line{key, locale, strings.TrimLeft(value, " \t")}
	switch {
	case !hasOnly(key, "-"), !hasOnly(locale, "_.@-"), locale == "" && key != name:
		e.repairs = append(e.repairs, Dropped{g.name, name, "the specification does not allow this name of a key"})
		return nil
	case !isPlainText(l.value), !isPlainText(unescape(l.value)) && key != "Exec":
		e.repairs = append(e.repairs, Dropped{g.name, l.name(), notText})
		return nil
	}
	for i, old := range g.lines {
		if old.key == key && old.locale == locale {
			e.repairs = append(e.repairs, Dropped{g.name, l.name(), "it occurs twice; the last one is kept, as in GLib"})
			g.lines[i] = l
			return nil
		}
	}
	g.lines = append(g.lines, l)
	return nil
}

const notText = "it contains control characters or is not UTF-8"

// openGroup begins a group, or continues one that occurs a second time.
func (e *parser) openGroup(header string) error {
	name := strings.TrimSuffix(header[1:], "]")
	switch {
	case !strings.HasSuffix(header, "]"), strings.ContainsAny(name, "[]"), strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("it is not a valid name of a group")
	case len(e.groups) == 0 && name != mainGroup:
		return fmt.Errorf("the first group is [%.50s], not [Desktop Entry]", name)
	case !isPlainText(name):
		name = strings.ToValidUTF8(name, "?") // Rewrite leaves it out
	}
	if e.group = slices.IndexFunc(e.groups, func(g group) bool { return g.name == name }); e.group >= 0 {
		e.repairs = append(e.repairs, Dropped{name, "", "the group occurs twice; the two are merged, as in GLib"})
		return nil
	}
	e.group = len(e.groups)
	e.groups = append(e.groups, group{name: name})
	return nil
}

// cutLocale splits KEY[LOCALE]. It accepts what GLib does (g_key_file_is_key_name),
// which is more than the specification allows.
func cutLocale(name string) (key, locale string, err error) {
	key, rest, ok := strings.Cut(name, "[")
	isPart := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsNumber(r) || strings.ContainsRune("_.@-", r)
	}
	if ok {
		locale, ok = strings.CutSuffix(rest, "]")
		if !ok || strings.ContainsFunc(locale, func(r rune) bool { return !isPart(r) }) {
			return "", "", fmt.Errorf("%.50q is not a valid name of a key", name)
		}
	}
	if key == "" || strings.HasSuffix(key, " ") || strings.Contains(key, "]") {
		return "", "", fmt.Errorf("%.50q is not a valid name of a key", name)
	}
	return key, locale, nil
}

// hasOnly reports whether s consists of ASCII letters, digits and bytes of more.
func hasOnly(s, more string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if !('a' <= c && c <= 'z' || '0' <= s[i] && s[i] <= '9' || strings.IndexByte(more, s[i]) >= 0) {
			return false
		}
	}
	return true
}

// isPlainText reports whether s is UTF-8 without control characters except tabs.
func isPlainText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' && r != '\t' || 0x7f <= r && r < 0xa0 || r == 0x2028 || r == 0x2029
	})
}

func (l *line) name() string {
	if l.locale == "" {
		return l.key
	}
	return l.key + "[" + l.locale + "]"
}

// Bytes returns the text of the entry.
func (e *Entry) Bytes() []byte {
	var b bytes.Buffer
	write := func(lines []line) {
		for _, l := range lines {
			if l.key != "" {
				b.WriteString(l.name() + "=")
			}
			b.WriteString(l.value + "\n")
		}
	}
	write(e.header)
	for _, g := range e.groups {
		b.WriteString("[" + g.name + "]\n")
		write(g.lines)
	}
	return b.Bytes()
}

func (e *Entry) findGroup(name string) *group {
	for i := range e.groups {
		if e.groups[i].name == name {
			return &e.groups[i]
		}
	}
	return nil
}

// get returns the untranslated value of a key, escaped.
func (g *group) get(key string) (value string, ok bool) { return g.lookup(key, "") }

func (g *group) lookup(key, locale string) (value string, ok bool) {
	for _, l := range g.lines {
		if l.key == key && l.locale == locale {
			return l.value, true
		}
	}
	return "", false
}

// set changes the untranslated value of a key, or adds the key after the last one.
func (g *group) set(key, value string) {
	last := 0
	for i, l := range g.lines {
		if l.key == key && l.locale == "" {
			g.lines[i].value = value
			return
		}
		if l.key != "" {
			last = i + 1
		}
	}
	g.lines = append(g.lines[:last:last], append([]line{{key: key, value: value}}, g.lines[last:]...)...)
}
