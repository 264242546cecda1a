// Package entry reads and rewrites desktop entries, so that an entry of a chroot
// runs its program there from the host's menu. It takes bytes and gives bytes:
// where entries lie, and what else belongs to them, is for package export.
//
// An entry comes from a chroot and is hostile; what is written is read by every
// desktop of the host, some of which run more of it than Exec. So what this
// package does not know does not pass.
//
// Sources: Desktop Entry Specification 1.5; GLib's gkeyfile.c and
// gdesktopappinfo.c for what programs make of an odd entry.
package entry

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of what an entry may hold. Those of an office suite in 120 languages
// have a few hundred lines, of at most 8 KiB.
const (
	maxSize  = 1 << 20 // bytes
	maxLine  = 64 << 10
	maxLines = 10000
)

const mainGroup = "Desktop Entry"
const actionPrefix = "Desktop Action "

// Entry is a desktop entry. Its groups, lines, comments and translations are in
// the order of the file.
type Entry struct {
	head    []line // before the first group
	groups  []group
	repairs []Dropped
}

type group struct {
	name  string
	lines []line
}

// line is KEY[LOCALE]=VALUE, or with no key a comment or blank as it stands.
type line struct {
	key, locale string
	value       string // as in the file: escaped
}

// Dropped is what a rewritten entry lacks, and why.
type Dropped struct{ Group, Key, Why string }

// Parse reads an entry. The error says why it is none, or one that programs
// disagree about.
func Parse(data []byte) (*Entry, error) {
	e := &Entry{}
	switch {
	case len(data) > maxSize:
		return nil, fmt.Errorf("it is longer than %d KiB", maxSize>>10)
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return nil, errors.New("it is UTF-16, not UTF-8")
	case bytes.IndexByte(data, 0) >= 0:
		return nil, errors.New("it holds NUL bytes")
	}
	text, bom := strings.CutPrefix(string(data), "\ufeff")
	if bom {
		e.repairs = append(e.repairs, Dropped{Why: "a byte order mark, which no file has"})
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
	return e, nil
}

// parseLine takes one line of the file.
func (e *Entry) parseLine(text string) error {
	trimmed := strings.TrimLeft(text, " \t")
	if trimmed == "" || trimmed[0] == '#' {
		if !isPlainText(text) {
			text = "#"
		}
		lines := &e.head
		if n := len(e.groups); n > 0 {
			lines = &e.groups[n-1].lines
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
		return errors.New("it is no key, comment or group")
	case len(e.groups) == 0:
		return errors.New("a key stands before the first group")
	}
	g := &e.groups[len(e.groups)-1]
	key, locale, err := cutLocale(strings.TrimRight(name, " \t"))
	if err != nil {
		return err
	}
	l := line{key, locale, strings.TrimLeft(value, " \t")}
	if !isPlainText(l.value) || !isPlainText(unescape(l.value)) && key != "Exec" {
		if locale == "" {
			return fmt.Errorf("%s holds control characters, or bytes that are not UTF-8", key)
		}
		e.repairs = append(e.repairs, Dropped{g.name, l.name(), "control characters, or bytes that are not UTF-8"})
		return nil
	}
	for i, old := range g.lines {
		if old.key == key && old.locale == locale {
			e.repairs = append(e.repairs, Dropped{g.name, l.name(), "it is there twice: the last counts, as for GLib"})
			g.lines[i] = l
			return nil
		}
	}
	g.lines = append(g.lines, l)
	return nil
}

func (e *Entry) openGroup(header string) error {
	name := strings.TrimSuffix(header[1:], "]")
	switch {
	case !strings.HasSuffix(header, "]"), strings.ContainsAny(name, "[]"), !isPlainText(name):
		return errors.New("it is no name of a group")
	case len(e.groups) == 0 && name != mainGroup:
		return fmt.Errorf("the first group is [%.50s], not [Desktop Entry]", name)
	case e.group(name) != nil:
		return fmt.Errorf("the group [%.50s] is there twice", name)
	}
	e.groups = append(e.groups, group{name: name})
	return nil
}

// cutLocale takes KEY[LOCALE] apart.
func cutLocale(name string) (key, locale string, err error) {
	key, rest, ok := strings.Cut(name, "[")
	if ok {
		if locale, ok = strings.CutSuffix(rest, "]"); !ok || !hasOnly(locale, "_.@-") || locale == "" {
			return "", "", fmt.Errorf("%.50q has no proper locale", name)
		}
	}
	if key == "" || !hasOnly(key, "-") {
		return "", "", fmt.Errorf("%.50q is no name of a key", name)
	}
	return key, locale, nil
}

// hasOnly says whether s holds ASCII letters, digits and bytes of more alone.
func hasOnly(s, more string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if !('a' <= c && c <= 'z' || '0' <= s[i] && s[i] <= '9' || strings.IndexByte(more, s[i]) >= 0) {
			return false
		}
	}
	return true
}

// isPlainText says whether s is UTF-8 without control characters but tabs.
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

// Bytes is the entry as a file.
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
	write(e.head)
	for _, g := range e.groups {
		b.WriteString("[" + g.name + "]\n")
		write(g.lines)
	}
	return b.Bytes()
}

func (e *Entry) group(name string) *group {
	for i := range e.groups {
		if e.groups[i].name == name {
			return &e.groups[i]
		}
	}
	return nil
}

// get is the unlocalised value of a key, escaped.
func (g *group) get(key string) (value string, ok bool) { return g.lookup(key, "") }

func (g *group) lookup(key, locale string) (value string, ok bool) {
	for _, l := range g.lines {
		if l.key == key && l.locale == locale {
			return l.value, true
		}
	}
	return "", false
}

// set changes a key's value, or adds the key after the last one.
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
