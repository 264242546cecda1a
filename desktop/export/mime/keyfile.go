package mime

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// keyFile is a file of groups as GLib reads it (gkeyfile.c, without
// G_KEY_FILE_KEEP_TRANSLATIONS). GLib rejects a file with any bad line.
type keyFile struct {
	first  string // the name of the first group
	groups map[string]*group
}

type group struct {
	keys   []string // in the order of the file, including duplicates
	values map[string]string
}

const space = " \t\n\v\f\r" // g_ascii_isspace

// parseKeyFile returns nil for a file that GLib rejects.
func parseKeyFile(data string) *keyFile {
	k := &keyFile{groups: map[string]*group{}}
	var current *group
	for line := range strings.SplitSeq(data, "\n") {
		line, _, _ = strings.Cut(strings.TrimSuffix(line, "\r"), "\x00")
		line = strings.TrimLeft(line, space)
		if line == "" || line[0] == '#' {
			continue
		}
		if name, ok := parseGroupName(line); ok {
			if strings.ContainsFunc(name, func(r rune) bool { return r == '[' || r < ' ' || r == 0x7f }) || name == "" {
				return nil
			}
			if len(k.groups) == 0 {
				k.first = name
			}
			if current = k.groups[name]; current == nil {
				current = &group{values: map[string]string{}}
				k.groups[name] = current
			}
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		key = strings.TrimRight(key, space)
		if !ok || current == nil || !isValidKey(key) {
			return nil
		}
		value = strings.TrimLeft(value, space)
		if key == "Encoding" && current == k.groups[k.first] && !strings.EqualFold(value, "UTF-8") {
			return nil
		}
		if !strings.HasSuffix(key, "]") { // translations do not matter here
			current.keys = append(current.keys, key)
			current.values[key] = value
		}
	}
	return k
}

func parseGroupName(line string) (name string, ok bool) {
	if line[0] != '[' {
		return "", false
	}
	name, rest, ok := strings.Cut(line[1:], "]")
	return name, ok && strings.Trim(rest, " \t") == ""
}

func isValidKey(key string) bool {
	end := strings.IndexAny(key, "[]")
	if end < 0 {
		end = len(key)
	}
	name, locale := key[:end], key[end:]
	if name == "" || name[0] == ' ' || name[end-1] == ' ' {
		return false
	}
	if locale == "" {
		return true
	}
	locale, ok := strings.CutSuffix(strings.TrimPrefix(locale, "["), "]")
	return ok && key[end] == '[' && !strings.ContainsFunc(locale, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !strings.ContainsRune("-_.@", r)
	})
}

// keys returns the keys of a group, or nil if there is no such group.
func (k *keyFile) keys(name string) []string {
	if g := k.groups[name]; g != nil {
		return g.keys
	}
	return nil
}

// getString is g_key_file_get_string: ok means that the file has the key, bad
// that its value is not valid.
func (k *keyFile) getString(name, key string) (value string, ok, bad bool) {
	g := k.groups[name]
	if g == nil {
		return "", false, false
	}
	if value, ok = g.values[key]; !ok {
		return "", false, false
	}
	list, ok := splitValue(value, 0)
	if !ok {
		return "", false, true
	}
	return strings.Join(list, ""), true, false
}

// getList is g_key_file_get_string_list: nil for a key that is missing or not
// valid, and not nil for an empty one (appendNew distinguishes them).
func (k *keyFile) getList(name, key string) []string {
	if g := k.groups[name]; g != nil {
		if value, ok := g.values[key]; ok {
			if list, ok := splitValue(value, ';'); ok {
				return list
			}
		}
	}
	return nil
}

// splitValue undoes the escapes of a value and splits it at sep, unless sep is 0.
func splitValue(value string, sep byte) ([]string, bool) {
	if !utf8.ValidString(value) {
		return nil, false
	}
	list, piece := []string{}, []byte{}
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case c == '\\':
			if i++; i == len(value) {
				return nil, false
			}
			escape := strings.IndexByte(`sntr\`, value[i])
			switch {
			case escape >= 0:
				piece = append(piece, " \n\t\r\\"[escape])
			case sep != 0 && value[i] == sep:
				piece = append(piece, sep)
			default:
				return nil, false
			}
		case sep != 0 && c == sep:
			list, piece = append(list, string(piece)), piece[:0]
		default:
			piece = append(piece, c)
		}
	}
	if len(piece) > 0 {
		list = append(list, string(piece))
	}
	return list, true
}
