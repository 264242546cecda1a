package config

import (
	"fmt"
	"hash/fnv"
	"path"
	"strings"

	"chrun/session/rootfs"
)

// maxName is the length of a NAME, in bytes.
const maxName = 64

// ValidName says whether s can be the NAME of a chroot:
// [A-Za-z0-9_][A-Za-z0-9._+-]*, at most 64 bytes. It can be a file name, and
// is never taken for a DIR or a flag.
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
	return fmt.Errorf("%q is no name for a chroot (letters, digits and . _ + -, at most %d)", name, maxName)
}

// EscapePath makes the absolute path of a chroot a file name that no other
// path has, and no NAME: '/' becomes '-', and whatever is not a letter, digit,
// '_' or '.' becomes \xNN, as in the names of systemd's mount units. What would
// be longer than a file name may be ends in a hash instead.
func EscapePath(dir rootfs.HostPath) string {
	const longest = 200 // of 255, NAME_MAX: room for a suffix
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
	// No escape begins with \h.
	return fmt.Sprintf(`%s\h%x`, b.String()[:longest-34], h.Sum(nil))
}

// ParseBind reads SRC[:DST][:ro] (or :rw), where \: is a colon and \\ a
// backslash. dest is clean and absolute, or "" if it is source, which is as
// written: the caller of ParseBind expands it.
func ParseBind(s string) (source, dest string, ro bool, err error) {
	fail := func(why string) (string, string, bool, error) {
		return "", "", false, fmt.Errorf("%q: %s; the form is SRC[:DST][:ro]", s, why)
	}
	if strings.Contains(s, "\x00") {
		return fail("it holds a NUL")
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
		return fail(`there are too many colons (\: is a colon in a path)`)
	case !path.IsAbs(parts[1]):
		return fail(fmt.Sprintf("the destination %q is not an absolute path", parts[1]))
	}
	dest = path.Clean(parts[1])
	if dest == "/" {
		return fail("the destination would cover the whole chroot")
	}
	return parts[0], dest, ro, nil
}

// formatBind is what ParseBind reads.
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
