package desktop

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// Documents shares the caller's user directories (xdg-user-dirs: Desktop,
// Documents, Downloads, Music, Pictures, Videos …) at their own paths, whichever
// home is used inside. So files that a program saves there are found, and a path
// in a file dialog is the same on both sides. Inside, user-dirs.dirs has absolute
// paths, so that programs find directories with localised names.
var Documents = session.Feature{
	Name:   "documents",
	Shares: "Desktop, Documents, Downloads, Music, Pictures, Videos, as user-dirs.dirs names them",
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
	home := session.HostPath(f.Caller.Account.Home)
	source, dest := configHome(f)
	data, err := rootfs.ReadHost(source.Join("user-dirs.dirs"), 0, 0)
	dirs := parseUserDirs(data, home)
	if err != nil {
		dirs = slices.DeleteFunc(parseUserDirs([]byte(defaultUserDirs), home), func(d userDir) bool { return !isDir(d.dir) })
		if len(dirs) == 0 {
			return session.Share{State: "none: there is no " + string(source.Join("user-dirs.dirs"))}
		}
	}
	var s session.Share
	var text strings.Builder
	var names []string
	for _, d := range dirs {
		fmt.Fprintf(&text, "%s=\"%s\"\n", d.name, shellEscape.Replace(string(d.dir)))
		// A directory equal to the home is the documented way to disable it.
		switch {
		case home.IsBelow(d.dir):
			continue
		case !isDir(d.dir):
			s.Notes = append(s.Notes, fmt.Sprintf("%s (%s) does not exist; xdg-user-dirs-update creates it", d.dir, d.name))
			continue
		case !session.IsShareable(f.Caller, d.dir):
			s.Notes = append(s.Notes, fmt.Sprintf("%s (%s) is not shared: it belongs to the system, or contains settings", d.dir, d.name))
			continue
		}
		names = append(names, path.Base(string(d.dir)))
		s.Binds = append(s.Binds, session.Bind{Source: d.dir, Dest: session.Path(d.dir), Why: "the caller's " + d.name})
	}
	s.State = strings.Join(names, ", ")
	if s.State == "" {
		s.State = "no directory of user-dirs.dirs exists"
	}
	s.Files = []session.File{{Path: dest.Join("user-dirs.dirs"), Data: []byte(text.String()),
		Why: "the caller's, with absolute paths", MakeInHome: true}}
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
