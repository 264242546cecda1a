package inside

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/internal/doctor/report"
)

// Limits of what is read of a chroot that may be hostile.
const (
	maxFontConfig      = 256 << 10 // of a file
	maxFontConfigFiles = 300
	maxFontEntries     = 20000 // of directories, before the search ends
	enoughFonts        = 200
)

// probeFonts finds font files by the rules of fontconfig (fonts-conf(5)).
func probeFonts(ctx context.Context, in *Input, add func(...report.Check)) {
	const row = "fonts"
	file := cmp.Or(in.Env.Get("FONTCONFIG_FILE"), path.Join(cmp.Or(in.Env.Get("FONTCONFIG_PATH"), "/etc/fonts"), "fonts.conf"))
	if !exists("/etc/fonts") && !hasLibrary("libfontconfig.so.1") {
		add(report.Absent(row, report.Found, "no program of the chroot looks for fonts (no fontconfig)"))
		return
	}
	s := &fontSearch{ctx: ctx, in: in}
	s.readConfig(file)
	if s.files == 0 { // the built-in configuration (fontconfig, FcInitFallbackConfig)
		s.addDir("/usr/share/fonts")
		s.addDir(path.Join(s.dataHome(), "fonts"))
		add(report.Notice(row, report.Reachable, "no-fonts-conf", file+" cannot be read: many programs find no fonts"))
	}
	for _, dir := range s.dirs {
		s.search(dir, 0)
	}
	switch {
	case s.fonts == 0:
		add(report.Bad(row, report.Reachable, "no-fonts", fmt.Sprintf("no font file in the %d directories of fontconfig", len(s.dirs))))
	case s.entries >= maxFontEntries || s.fonts >= enoughFonts:
		add(report.Good(row, report.Reachable, fmt.Sprintf("at least %d font files", s.fonts)))
	default:
		add(report.Good(row, report.Reachable, fmt.Sprintf("font files: %d", s.fonts)))
	}
}

// fontSearch reads the configuration of fontconfig and looks for font files.
type fontSearch struct {
	ctx   context.Context
	in    *Input
	files int // of the configuration that were read
	tried int
	seen  []string
	dirs  []string

	fonts, entries int
}

// readConfig reads the directories in a file, and the files that it includes.
func (s *fontSearch) readConfig(file string) {
	if s.tried++; s.tried > maxFontConfigFiles || slices.Contains(s.seen, file) || s.ctx.Err() != nil {
		return
	}
	s.seen = append(s.seen, file)
	data, err := readRegular(file, maxFontConfig)
	if err != nil {
		return
	}
	s.files++
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict = false
	for {
		token, err := d.RawToken()
		if err != nil {
			return
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "reset-dirs":
			s.dirs = nil
		case "dir", "include":
			text, err := d.RawToken()
			if chars, ok := text.(xml.CharData); ok && err == nil {
				s.follow(start, strings.TrimSpace(string(chars)), file)
			}
		}
	}
}

// follow takes one element <dir> or <include> of a file.
func (s *fontSearch) follow(start xml.StartElement, name, file string) {
	prefix := ""
	for _, a := range start.Attr {
		if a.Name.Local == "prefix" {
			prefix = a.Value
		}
	}
	rest, inHome := strings.CutPrefix(name, "~")
	isDir := start.Name.Local == "dir"
	switch {
	case name == "":
		return
	case inHome:
		name = path.Join(s.in.Home, rest)
	case path.IsAbs(name):
	case prefix == "xdg" && isDir:
		name = path.Join(s.dataHome(), name)
	case prefix == "xdg":
		name = path.Join(cmp.Or(s.in.Env.Get("XDG_CONFIG_HOME"), path.Join(s.in.Home, ".config")), name)
	default:
		name = path.Join(path.Dir(file), name)
	}
	if isDir {
		s.addDir(name)
		return
	}
	names := listDirectory(name, maxFontConfigFiles)
	if names == nil {
		s.readConfig(name)
		return
	}
	slices.Sort(names)
	for _, n := range names {
		if strings.HasSuffix(n, ".conf") && n[0] >= '0' && n[0] <= '9' {
			s.readConfig(path.Join(name, n))
		}
	}
}

func (s *fontSearch) dataHome() string {
	return cmp.Or(s.in.Env.Get("XDG_DATA_HOME"), path.Join(s.in.Home, ".local/share"))
}

func (s *fontSearch) addDir(dir string) {
	if len(s.dirs) < maxFontConfigFiles && !slices.Contains(s.dirs, dir) {
		s.dirs = append(s.dirs, dir)
	}
}

// search counts the font files below a directory. A circle of symlinks ends at the
// limits.
func (s *fontSearch) search(dir string, depth int) {
	if depth > 6 {
		return
	}
	for _, name := range listDirectory(dir, maxFontEntries/10) {
		if s.entries++; s.entries > maxFontEntries || s.fonts >= enoughFonts || s.ctx.Err() != nil {
			return
		}
		p := path.Join(dir, name)
		var st unix.Stat_t
		switch {
		case isFontName(name):
			if isFont(p) {
				s.fonts++
			}
		case unix.Stat(p, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR:
			s.search(p, depth+1)
		}
	}
}

// isFontName reports whether a file could be a font by its name.
func isFontName(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, ".gz"))
	return slices.Contains([]string{".ttf", ".otf", ".ttc", ".otc", ".pcf", ".pfb", ".pfa", ".bdf", ".woff", ".woff2"}, path.Ext(name))
}

// isFont reports whether a file begins as a font does that FreeType knows.
func isFont(file string) bool {
	head, err := readRegular(file, 4)
	if err != nil || len(head) < 4 {
		return false
	}
	switch string(head) {
	case "\x00\x01\x00\x00", "OTTO", "ttcf", "true", "typ1", "wOFF", "wOF2", "\x01fcp", "STAR":
		return true
	}
	return head[0] == 0x80 && head[1] == 1 || string(head[:2]) == "%!" || string(head[:2]) == "\x1f\x8b"
}
