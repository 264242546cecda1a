package desktop

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// Documents shares what is visible at the top of the caller's home, at the same
// paths, whichever home is used inside: what begins with a dot is the chroot's
// own. So files that a program saves are found on the host, and a path means the
// same on both sides. Inside, user-dirs.dirs has absolute paths, so that programs
// find directories with localised names.
var Documents = session.Feature{
	Name:   "documents",
	Shares: "what is visible in your home, and the directories that user-dirs.dirs names elsewhere",
	Detect: detectDocuments,
}

// defaultUserDirs is used without a user-dirs.dirs, which is common with plain
// window managers. Programs save into ~/Downloads even then.
const defaultUserDirs = `XDG_DESKTOP_DIR="$HOME/Desktop"
XDG_DOCUMENTS_DIR="$HOME/Documents"
XDG_DOWNLOAD_DIR="$HOME/Downloads"
XDG_MUSIC_DIR="$HOME/Music"
XDG_PICTURES_DIR="$HOME/Pictures"
XDG_VIDEOS_DIR="$HOME/Videos"
`

func detectDocuments(f *session.Facts) session.Share {
	var s session.Share
	s.HomeEntries, s.Notes = listHomeEntries(f.Caller)
	home := session.HostPath(f.Caller.Account.Home)
	source, dest := configHome(f)
	data, err := rootfs.ReadHost(source.Join("user-dirs.dirs"), 0, 0)
	dirs := parseUserDirs(data, home)
	if err != nil {
		isMissing := func(d userDir) bool { // they are all at the top of the home
			name := path.Base(string(d.dir))
			return !slices.ContainsFunc(s.HomeEntries, func(e session.HomeEntry) bool { return e.Dir != "" && e.Name == name })
		}
		dirs = slices.DeleteFunc(parseUserDirs([]byte(defaultUserDirs), home), isMissing)
	}
	var notes []string
	s.Binds, notes = userDirBinds(f, dirs)
	s.Notes = append(s.Notes, notes...)
	s.State = describeHome(s.HomeEntries, s.Binds)
	if len(dirs) > 0 {
		var text strings.Builder
		for _, d := range dirs {
			fmt.Fprintf(&text, "%s=\"%s\"\n", d.name, shellEscape.Replace(string(d.dir)))
		}
		s.Files = []session.File{{Path: dest.Join("user-dirs.dirs"), Data: []byte(text.String()),
			Why: "the caller's, with absolute paths", MakeInHome: true}}
	}
	return s
}

type userDir struct {
	name string
	dir  session.HostPath
}

var shellEscape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`")

// parseUserDirs parses user-dirs.dirs(5): lines XDG_NAME_DIR="$HOME/path" or
// "/path", with a backslash before special characters.
func parseUserDirs(data []byte, home session.HostPath) (dirs []userDir) {
	for line := range strings.Lines(string(data)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.TrimSpace(value)
		if !ok || !strings.HasPrefix(name, "XDG_") || !strings.HasSuffix(name, "_DIR") || strings.ContainsAny(name, " \t") ||
			len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
			continue
		}
		value = value[1 : len(value)-1]
		dir := ""
		if rest, ok := strings.CutPrefix(value, "$HOME"); ok && (rest == "" || rest[0] == '/') {
			dir, value = string(home), rest
		} else if !path.IsAbs(value) {
			continue
		}
		var b strings.Builder
		for i := 0; i < len(value); i++ {
			if value[i] == '\\' && i+1 < len(value) {
				i++
			}
			b.WriteByte(value[i])
		}
		if strings.ContainsAny(b.String(), "\x00\n") {
			continue
		}
		dirs = append(dirs, userDir{name, session.HostPath(path.Clean(dir + b.String()))})
	}
	return dirs
}
