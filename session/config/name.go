package config

import (
	"fmt"
	"hash/fnv"
	"path"
	"strings"

	"chrun/session/rootfs"
)

// maxName is the maximum length of a NAME, in bytes.
const maxName = 64

// ValidName reports whether s can be the NAME of a chroot:
// [A-Za-z0-9_][A-Za-z0-9._+-]*, at most 64 bytes. Such a name is a valid file
// name and cannot be mistaken for a DIR or a flag.
func ValidName(s string) bool {
	for i := range len(s) {
		if !alphanumeric(s[i]) && (i == 0 || !strings.Contains(".+-", s[i:i+1])) {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

func errBadName(name string) error {
	return fmt.Errorf("%q is not a valid name for a chroot (letters, digits and . _ + -, at most %d)", name, maxName)
}

// escapePath turns the absolute path of a chroot into a file name that is unique
// to the path and differs from every NAME: '/' becomes '-', and other bytes
// except letters, digits, '_' and '.' become \xNN, as in the names of systemd's
// mount units. The end of a long name is replaced by a hash.
func escapePath(dir rootfs.HostPath) string {
	const longest = 200 // less than NAME_MAX (255), to leave room for a suffix
	clean := path.Clean("/" + string(dir))
	var b strings.Builder
	for i := range len(clean) {
		switch c := clean[i]; {
		case c == '/':
			b.WriteByte('-')
		case alphanumeric(c) || c == '.':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	if b.Len() <= longest {
		return b.String()
	}
	h := fnv.New128a()
	h.Write([]byte(clean))
	// An escape sequence never begins with \h.
	return fmt.Sprintf(`%s\h%x`, b.String()[:longest-34], h.Sum(nil))
}

// ParseBind parses SRC[:DST][:ro] (or :rw), where \: is a colon and \\ a
// backslash. source is as written: the caller of ParseBind expands ~ and
// relative paths. dest is clean and absolute, or "" for the same path as source.
func ParseBind(s string) (source, dest string, ro bool, err error) {
	fail := func(why string) (string, string, bool, error) {
		return "", "", false, fmt.Errorf("%q: %s; the form is SRC[:DST][:ro]", s, why)
	}
	if strings.Contains(s, "\x00") {
		return fail("it contains a NUL byte")
	}
	var parts []string
	var part []byte
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == ':':
			parts, part = append(parts, string(part)), part[:0]
			continue
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == ':' || s[i+1] == '\\'):
			i++
		}
		part = append(part, s[i])
	}
	parts = append(parts, string(part))
	if n := len(parts); n > 1 && (parts[n-1] == "ro" || parts[n-1] == "rw") {
		ro = parts[n-1] == "ro"
		parts = parts[:n-1]
	}
	switch {
	case parts[0] == "":
		return fail("the source is empty")
	case len(parts) == 1:
		return parts[0], "", ro, nil
	case len(parts) > 2:
		return fail(`too many colons (write \: for a colon in a path)`)
	case !path.IsAbs(parts[1]):
		return fail(fmt.Sprintf("the destination %q is not an absolute path", parts[1]))
	}
	dest = path.Clean(parts[1])
	if dest == "/" {
		return fail("the destination would cover the whole chroot")
	}
	return parts[0], dest, ro, nil
}

// formatBind formats a bind so that ParseBind reads it back.
func formatBind(source, dest string, ro bool) string {
	escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`)
	s := escape.Replace(source)
	if dest != "" {
		s += ":" + escape.Replace(dest)
	}
	if ro {
		s += ":ro"
	}
	return s
}
