package account

import (
	"bytes"
	"path"
	"strings"

	"chrun/session/rootfs"
)

// Login holds the variables that a login to a chroot sets for the directories of
// its own programs and data. "" means unset.
type Login struct {
	Path       string // PATH; never ""
	DataDirs   string // XDG_DATA_DIRS
	ConfigDirs string // XDG_CONFIG_DIRS
}

// The defaults of login(1) for people and for root, and the directories that
// Gentoo's /etc/profile puts before those of profile.env.
const (
	defaultPath     = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
	defaultRootPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	gentooPath      = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// maxList is the maximum length of a list, in bytes. The limit of execve(2) is
// 128 KiB for one string.
const maxList = 32 << 10

// ReadLogin reads the variables from the files of a chroot: Gentoo's
// /etc/profile.env, else /etc/environment (pam_env(8)), else ENV_PATH or
// ENV_SUPATH in /etc/login.defs (login.defs(5)). read reads a file of the tree;
// a file that it cannot read is skipped.
func ReadLogin(read func(rootfs.Path) ([]byte, error), root bool) Login {
	usual := defaultPath
	if root {
		usual = defaultRootPath
	}
	var l Login
	if data, err := read("/etc/profile.env"); err == nil {
		set := parseAssignments(data, "PATH", "ROOTPATH", "XDG_DATA_DIRS", "XDG_CONFIG_DIRS")
		l.DataDirs, l.ConfigDirs = joinDirs(set["XDG_DATA_DIRS"]), joinDirs(set["XDG_CONFIG_DIRS"])
		if root {
			l.Path = joinDirs(set["ROOTPATH"])
		}
		if l.Path = joinDirs(l.Path, set["PATH"]); l.Path != "" {
			l.Path = joinDirs(gentooPath, l.Path)
			return l
		}
	}
	if data, err := read("/etc/environment"); err == nil {
		value := parseAssignments(data, "PATH")["PATH"]
		if strings.Contains(value, "\x00") {
			value += ":" + usual // "$PATH:/opt/bin"
		}
		if l.Path = joinDirs(value); l.Path != "" {
			return l
		}
	}
	if data, err := read("/etc/login.defs"); err == nil {
		if l.Path = joinDirs(parseLoginDefs(data, root)); l.Path != "" {
			return l
		}
	}
	l.Path = usual
	return l
}

// joinDirs joins lists of directories. It drops duplicates and directories that
// are not absolute; an empty entry would mean the working directory.
func joinDirs(lists ...string) string {
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

// parseLoginDefs returns the value of the last line of the form
// "ENV_PATH PATH=/bin:/usr/bin", where PATH= is optional.
func parseLoginDefs(data []byte, root bool) (value string) {
	name := "ENV_PATH"
	if root {
		name = "ENV_SUPATH"
	}
	for line := range splitLines(data) {
		rest, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte(name))
		if !ok || len(rest) == 0 || rest[0] != ' ' && rest[0] != '\t' {
			continue
		}
		value = strings.Trim(strings.TrimSpace(string(rest)), `"`)
		value = strings.TrimPrefix(value, "PATH=")
	}
	return value
}

// parseAssignments returns the last values that lines NAME=VALUE and
// export NAME=VALUE, with the quoting of the shell, give to names. It does not
// expand anything: in place of an expansion there is a NUL, so that joinDirs
// drops the entry.
func parseAssignments(data []byte, names ...string) map[string]string {
	set := map[string]string{}
	for line := range splitLines(data) {
		line = bytes.TrimLeft(line, " \t")
		if rest, ok := bytes.CutPrefix(line, []byte("export")); ok && len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
			line = bytes.TrimLeft(rest, " \t")
		}
		for _, name := range names {
			if rest, ok := bytes.CutPrefix(line, []byte(name+"=")); ok {
				if value, ok := parseWord(rest); ok {
					set[name] = value
				}
			}
		}
	}
	return set
}

// parseWord parses one word of the shell. It returns false if a quote is not
// closed.
func parseWord(s []byte) (string, bool) {
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
				return "", false // continued on the next line
			}
			if double && !strings.ContainsRune("\"\\$`", rune(s[i])) {
				b.WriteByte('\\')
			}
			b.WriteByte(s[i])
		case c == '$' && !double && i+1 < len(s) && s[i+1] == '\'':
			// $'…', which env-update writes for values that begin with '$'.
		case c == '$' || c == '`':
			b.WriteByte(0)
			i += expansionLen(s[i:]) - 1
		case !double && strings.IndexByte(" \t\r;&|<>", c) >= 0:
			return b.String(), true
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), !double
}

// expansionLen returns the length of $NAME, ${…}, $(…) or `…` at the start of s.
// It does not support nesting: the rest of a nested expansion becomes an entry
// that joinDirs drops, or a directory that does not exist.
func expansionLen(s []byte) int {
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
