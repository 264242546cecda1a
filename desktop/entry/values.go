package entry

import (
	"path"
	"slices"
	"strings"
)

// Has reports whether [Desktop Entry] has the key without a locale.
func (e *Entry) Has(key string) bool {
	_, ok := e.groups[0].get(key)
	return ok
}

// String returns the untranslated, unescaped value of a key in [Desktop Entry], or
// "".
func (e *Entry) String(key string) string {
	v, _ := e.groups[0].get(key)
	return unescape(v)
}

// Bool reports whether a key in [Desktop Entry] is true. It accepts "1", which was
// valid before version 1.0, as GLib does.
func (e *Entry) Bool(key string) bool {
	v := strings.TrimSpace(e.String(key))
	return v == "true" || v == "1"
}

// List returns the value of a key in [Desktop Entry] that is a list.
func (e *Entry) List(key string) []string {
	v, _ := e.groups[0].get(key)
	return splitList(v)
}

// Localised returns the value of a key in [Desktop Entry] for a locale in the form
// of LC_MESSAGES, lang_COUNTRY.ENCODING@MODIFIER ("Localized values for keys").
func (e *Entry) Localised(key, locale string) string {
	locale, modifier, _ := strings.Cut(locale, "@")
	locale, _, _ = strings.Cut(locale, ".")
	lang, _, country := strings.Cut(locale, "_")
	var tries []string
	if modifier != "" {
		if country {
			tries = append(tries, locale+"@"+modifier)
		}
		tries = append(tries, lang+"@"+modifier)
	}
	if country {
		tries = slices.Insert(tries, min(1, len(tries)), locale)
	}
	for _, try := range append(tries, lang) {
		if v, ok := e.groups[0].lookup(key, try); ok && try != "" {
			return unescape(v)
		}
	}
	return e.String(key)
}

// Program returns the program that Exec runs, or "" if Exec is not valid. It skips
// a leading env with assignments.
func (e *Entry) Program() string {
	v, _ := e.groups[0].get("Exec")
	words, _, err := ParseExec(v)
	if err != nil {
		return ""
	}
	if path.Base(string(words[0])) == "env" {
		for len(words) > 1 && (words[0] == "env" || strings.HasSuffix(string(words[0]), "/env") || strings.Contains(string(words[0]), "=")) {
			words = words[1:]
		}
	}
	return strings.ReplaceAll(string(words[0]), "%%", "%")
}

// IsShown reports whether menus show the entry on a desktop with these elements of
// $XDG_CURRENT_DESKTOP.
func (e *Entry) IsShown(desktops []string) bool {
	if e.Bool("Hidden") || e.Bool("NoDisplay") {
		return false
	}
	only, not := e.List("OnlyShowIn"), e.List("NotShowIn")
	for _, d := range desktops {
		switch {
		case slices.Contains(only, d):
			return true
		case slices.Contains(not, d):
			return false
		}
	}
	return !e.Has("OnlyShowIn")
}

var unescaper = map[byte]byte{'s': ' ', 'n': '\n', 't': '\t', 'r': '\r', '\\': '\\'}

// unescape undoes the escapes of a string ("Possible value types"). Unknown escapes
// stay.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			if c, ok := unescaper[s[i+1]]; ok {
				b = append(b, c)
				i++
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

var escaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\t", `\t`, "\r", `\r`)

// escape returns s as the text of a string in a file.
func escape(s string) string {
	s = escaper.Replace(s)
	if strings.HasPrefix(s, " ") {
		s = `\s` + s[1:]
	}
	return s
}

// splitList splits an escaped list. It leaves out empty elements.
func splitList(s string) []string {
	var list []string
	var b []byte
	end := func() {
		if len(b) > 0 {
			list = append(list, unescape(string(b)))
		}
		b = b[:0]
	}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == ';':
			b = append(b, ';')
			i++
		case s[i] == '\\' && i+1 < len(s):
			b = append(b, s[i], s[i+1])
			i++
		case s[i] == ';':
			end()
		default:
			b = append(b, s[i])
		}
	}
	end()
	return list
}

// joinList returns the text of a list in a file.
func joinList(list []string) string {
	var b strings.Builder
	for _, s := range list {
		b.WriteString(strings.ReplaceAll(escape(s), ";", `\;`) + ";")
	}
	return b.String()
}
