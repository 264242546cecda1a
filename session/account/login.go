package account

import (
	"bytes"
	"path"
	"strings"

	"chrun/session/rootfs"
)

// Login is the part of the environment that the login of a chroot sets, as
// far as it says where its own programs and data lie. "" is not set.
type Login struct {
	Path       string // PATH; never ""
	DataDirs   string // XDG_DATA_DIRS
	ConfigDirs string // XDG_CONFIG_DIRS
}

// What login(1) would take where nothing is written down, for people and root;
// and what Gentoo's /etc/profile puts before its profile.env.
const (
	defaultPath     = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
	defaultRootPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	gentooPath      = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// maxList is the length of a list, in bytes. execve(2) takes 128 KiB a string.
const maxList = 32 << 10

// ReadLogin reads it from the chroot's files: Gentoo's /etc/profile.env, else
// /etc/environment (pam_env(8)), else ENV_PATH or ENV_SUPATH of
// /etc/login.defs (login.defs(5)). read is the Read of the tree; a file that
// it cannot read is as one that does not exist.
func ReadLogin(read func(rootfs.Path) ([]byte, error), root bool) Login {
	usual := defaultPath
	if root {
		usual = defaultRootPath
	}
	var l Login
	if data, err := read("/etc/profile.env"); err == nil {
		set := assignments(data, "PATH", "ROOTPATH", "XDG_DATA_DIRS", "XDG_CONFIG_DIRS")
		l.DataDirs, l.ConfigDirs = list(set["XDG_DATA_DIRS"]), list(set["XDG_CONFIG_DIRS"])
		if root {
			l.Path = list(set["ROOTPATH"])
		}
		if l.Path = list(l.Path, set["PATH"]); l.Path != "" {
			l.Path = list(gentooPath, l.Path)
			return l
		}
	}
	if data, err := read("/etc/environment"); err == nil {
		value := assignments(data, "PATH")["PATH"]
		if strings.Contains(value, "\x00") {
			value += ":" + usual // "$PATH:/opt/bin"
		}
		if l.Path = list(value); l.Path != "" {
			return l
		}
	}
	if data, err := read("/etc/login.defs"); err == nil {
		if l.Path = list(loginDefs(data, root)); l.Path != "" {
			return l
		}
	}
	l.Path = usual
	return l
}

// list joins lists of directories. What is not absolute is dropped (an empty
// entry would be the working directory), and what stands there before.
func list(lists ...string) string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, l := range lists {
		for dir := range strings.SplitSeq(l, ":") {
			if !path.IsAbs(dir) || seen[dir] || strings.ContainsAny(dir, "\x00\n\r") {
				continue
			}
			if b.Len()+1+len(dir) > maxList {
				break
			}
			seen[dir] = true
			if b.Len() > 0 {
				b.WriteByte(':')
			}
			b.WriteString(dir)
		}
	}
	return b.String()
}

// loginDefs finds the line "ENV_PATH PATH=/bin:/usr/bin"; the last one counts,
// PATH= may be missing.
func loginDefs(data []byte, root bool) (value string) {
	name := "ENV_PATH"
	if root {
		name = "ENV_SUPATH"
	}
	for line := range lines(data) {
		rest, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte(name))
		if !ok || len(rest) == 0 || rest[0] != ' ' && rest[0] != '\t' {
			continue
		}
		value = strings.Trim(strings.TrimSpace(string(rest)), `"`)
		value = strings.TrimPrefix(value, "PATH=")
	}
	return value
}

// assignments reads lines NAME=VALUE and export NAME=VALUE in the shell's
// quoting, as env-update(1) and people write them, for the names given; the
// last one counts. It runs nothing: where the shell would expand something
// there is a NUL, and list drops the entry.
func assignments(data []byte, names ...string) map[string]string {
	set := map[string]string{}
	for line := range lines(data) {
		line = bytes.TrimLeft(line, " \t")
		if rest, ok := bytes.CutPrefix(line, []byte("export")); ok && len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
			line = bytes.TrimLeft(rest, " \t")
		}
		for _, name := range names {
			if rest, ok := bytes.CutPrefix(line, []byte(name+"=")); ok {
				if value, ok := word(rest); ok {
					set[name] = value
				}
			}
		}
	}
	return set
}

// word reads one word of the shell; false if a quote is not closed in it.
func word(s []byte) (string, bool) {
	var b strings.Builder
	double := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			double = !double
		case c == '\'' && !double:
			n := bytes.IndexByte(s[i+1:], '\'')
			if n < 0 {
				return "", false
			}
			b.Write(s[i+1 : i+1+n])
			i += n + 1
		case c == '\\':
			if i++; i == len(s) {
				return "", false // goes on in the next line
			}
			if double && !strings.ContainsRune("\"\\$`", rune(s[i])) {
				b.WriteByte('\\')
			}
			b.WriteByte(s[i])
		case c == '$' && !double && i+1 < len(s) && s[i+1] == '\'':
			// $'…', as env-update writes what begins with a '$'.
		case c == '$' || c == '`':
			b.WriteByte(0)
			i += expansion(s[i:]) - 1
		case !double && strings.IndexByte(" \t\r;&|<>", c) >= 0:
			return b.String(), true
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), !double
}

// expansion is the length of $NAME, ${…}, $(…) or `…` at the start of s.
// Nested ones are not understood: they leave an entry that list drops, or a
// directory that does not exist.
func expansion(s []byte) int {
	end := byte('`')
	if s[0] == '$' {
		if len(s) == 1 {
			return 1
		}
		switch s[1] {
		case '{':
			end = '}'
		case '(':
			end = ')'
		default:
			n := 1
			for n < len(s) && (s[n] == '_' || s[n] >= '0' && s[n] <= '9' || s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z') {
				n++
			}
			return n
		}
	}
	if n := bytes.IndexByte(s[1:], end); n >= 0 {
		return n + 2
	}
	return len(s)
}
