package desktop

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// LocaleTime shares the person's language and time zone.
var LocaleTime = session.Feature{
	Name:      "locale-time",
	Shares:    "the time zone, and the language if the chroot has it",
	Variables: append([]string{"TZ", "TZDIR", "LOCPATH", "LOCALE_ARCHIVE", "I18NPATH", "MUSL_LOCPATH", "LANGUAGE"}, localeVariables...),
	Detect:    detectLocaleTime,
}

// localeVariables are the variables that hold names of locales (locale(7)).
var localeVariables = []string{"LANG", "LC_ALL", "LC_CTYPE", "LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MONETARY",
	"LC_MESSAGES", "LC_PAPER", "LC_NAME", "LC_ADDRESS", "LC_TELEPHONE", "LC_MEASUREMENT", "LC_IDENTIFICATION"}

func detectLocaleTime(f *session.Facts) session.Share {
	var s session.Share
	zone := shareTime(f, &s)
	env, locales, missing := chooseLocales(f.Root, f.Caller.Env)
	s.Env = append(s.Env, env...)
	language := chooseLanguage(f.Root, f.Caller.Env, missing)
	if language != "" {
		s.Env = append(s.Env, session.Var{Name: "LANGUAGE", Value: language})
	}
	shareZone(f, &s)
	for _, name := range missing {
		s.Notes = append(s.Notes, fmt.Sprintf("the chroot has no locale %s; C.UTF-8 is used instead%s", name, localeCommand(f.Root, name)))
	}
	if len(locales) == 0 {
		locales = []string{"no locale set"}
	}
	s.State = strings.Join(append([]string{zone}, locales...), ", ")
	return s
}

// chooseLanguage returns LANGUAGE, the list of translations to try. If the locale
// for messages is missing, C.UTF-8 replaces it; the list still names its language,
// if the chroot has translations.
func chooseLanguage(root *rootfs.Root, env session.Environ, missing []string) string {
	if v := env.Get("LANGUAGE"); v != "" {
		return v
	}
	locale := cmp.Or(env.Get("LC_ALL"), env.Get("LC_MESSAGES"), env.Get("LANG"))
	if !slices.Contains(missing, locale) {
		return ""
	}
	name, modifier, _ := strings.Cut(locale, "@")
	name, _, _ = strings.Cut(name, ".")
	language, _, _ := strings.Cut(name, "_")
	names := []string{name, language}
	if modifier != "" {
		names = []string{name + "@" + modifier, name, language + "@" + modifier, language}
	}
	names = slices.Compact(names)
	for _, dir := range translationDirs {
		for _, name := range names {
			if name != "" && name[0] != '.' && !strings.Contains(name, "/") && root.IsDir(dir.Join(name, "LC_MESSAGES")) {
				return strings.Join(names, ":")
			}
		}
	}
	return ""
}

// translationDirs are where programs have their translations (bindtextdomain(3));
// Ubuntu has most of them in separate packages.
var translationDirs = []session.Path{"/usr/share/locale", "/usr/share/locale-langpack"}

// chooseLocales returns the locale variables to set, the names of the chosen
// locales, and the names of those that the chroot does not have.
func chooseLocales(root *rootfs.Root, env session.Environ) (vars []session.Var, chosen, missing []string) {
	finder := localeFinder{root: root, known: map[string]bool{"C": true, "POSIX": true, "C.utf8": true}}
	for _, name := range localeVariables {
		locale := env.Get(name)
		if locale == "" {
			continue // the same as unset (locale(7))
		}
		if !finder.has(locale) {
			if !slices.Contains(missing, locale) {
				missing = append(missing, locale)
			}
			// One missing locale makes setlocale(LC_ALL, "") fail, and then
			// every category is "C", which is ASCII.
			locale = "C.UTF-8"
		}
		vars = append(vars, session.Var{Name: name, Value: locale})
		if !slices.Contains(chosen, locale) {
			chosen = append(chosen, locale)
		}
	}
	return vars, chosen, missing
}

// MissingLocales lists the locales that variables name and the chroot does not have.
func MissingLocales(root *rootfs.Root, env session.Environ) []string {
	_, _, missing := chooseLocales(root, env)
	return missing
}

// LocaleSource returns the source of which localedef of the chroot can make a locale,
// or "". In Debian it is in a separate package.
func LocaleSource(root *rootfs.Root, name string) string {
	source, codeset, _ := strings.Cut(name, ".")
	codeset, modifier, ok := strings.Cut(codeset, "@")
	if ok {
		source += "@" + modifier
	}
	if strings.ToLower(strings.ReplaceAll(codeset, "-", "")) != "utf8" || strings.Contains(name, "/") ||
		!root.Exists("/usr/bin/localedef") || !root.Exists(session.Path("/usr/share/i18n/locales").Join(source)) {
		return ""
	}
	return source
}

// localeCommand returns the command that makes a missing locale, as the end of a
// message, if that is possible.
func localeCommand(root *rootfs.Root, name string) string {
	source := LocaleSource(root, name)
	if source == "" {
		return ""
	}
	command := []string{"sudo", "chrun", "-c", string(root.Dir()), "-u", "root", "localedef", "-i", source, "-f", "UTF-8", name}
	return "; to create it: " + session.Quote(command...)
}

const localeDir session.Path = "/usr/lib/locale"

// localeFinder finds locales of the chroot in the places that glibc uses
// (locale/findlocale.c). It reads the archive only if it needs to.
type localeFinder struct {
	root        *rootfs.Root
	known       map[string]bool // by normalised name
	archive     map[string]bool
	archiveRead bool
}

func (l *localeFinder) has(name string) bool {
	name = normalizeLocale(name)
	found, ok := l.known[name]
	if !ok {
		found = l.find(name)
		l.known[name] = found
	}
	return found
}

func (l *localeFinder) find(name string) bool {
	if strings.Contains(name, "/") || strings.HasPrefix(name, ".") {
		return false // glibc rejects it too
	}
	if l.root.IsDir(localeDir.Join(name)) {
		return true
	}
	if !l.archiveRead {
		l.archiveRead = true
		if f, err := l.root.Open(localeDir.Join("locale-archive")); err == nil {
			l.archive = readLocaleArchive(f)
			f.Close()
		}
	}
	return l.archive[name] || usesMusl(l.root)
}

// normalizeLocale returns the form of a name that is used in file names: the
// codeset has only letters and digits, in lower case ("de_DE.UTF-8@euro" becomes
// "de_DE.utf8@euro"), with the prefix "iso" if it has only digits (glibc
// intl/l10nflist.c, _nl_normalize_codeset).
func normalizeLocale(name string) string {
	base, modifier, hasModifier := strings.Cut(name, "@")
	base, codeset, hasCodeset := strings.Cut(base, ".")
	if hasCodeset {
		digits := true
		codeset = strings.Map(func(r rune) rune {
			switch {
			case r >= '0' && r <= '9':
				return r
			case r >= 'A' && r <= 'Z':
				r += 'a' - 'A'
			case r < 'a' || r > 'z':
				return -1
			}
			digits = false
			return r
		}, codeset)
		if digits {
			codeset = "iso" + codeset
		}
		base += "." + codeset
	}
	if hasModifier {
		base += "@" + modifier
	}
	return base
}

// usesMusl reports whether the chroot's C library is musl, which has no locale
// files: it accepts every name and always uses UTF-8.
func usesMusl(root *rootfs.Root) bool {
	if root.IsDir(localeDir) {
		return false
	}
	for _, arch := range []string{"x86_64", "aarch64", "i386", "armhf", "arm", "riscv64", "powerpc64le", "s390x", "loongarch64"} {
		if root.Exists(session.Path("/lib/ld-musl-" + arch + ".so.1")) {
			return true
		}
	}
	return false
}
