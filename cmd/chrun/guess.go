package main

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// A guess looks at a COMMAND that could not be executed and says what the
// person may have meant, in the line to type; "" if that is not it. The table
// is consulted only then: nothing of it costs a launch.
type guess func(g *guesses) string

var guessTable = []guess{
	ofDirectory,
	// chrun gentoo firefox
	func(g *guesses) string {
		if !slices.Contains(g.names, g.word) {
			return ""
		}
		return "for the chroot of that name: " + g.line("chrun", g.flags, []string{"-c", g.word}, g.rest)
	},
	ofVerb,
	// chrun FOO=1 firefox
	func(g *guesses) string {
		name, _, ok := strings.Cut(g.word, "=")
		if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool {
			return r != '_' && !(r >= 'A' && r <= 'Z') && !(r >= 'a' && r <= 'z') && !(r >= '0' && r <= '9')
		}) {
			return ""
		}
		return "set it before chrun: " + name + "=" + session.Quote(g.word[len(name)+1:]) + " " + g.line("chrun", g.flags, g.rest)
	},
	// chrun 'ls | wc'
	func(g *guesses) string {
		if !strings.ContainsAny(g.word, " \t\n|&;<>()$`*?") {
			return ""
		}
		return "for a shell to read it: " + g.line("chrun", g.flags, []string{"sh", "-c", strings.Join(append([]string{g.word}, g.rest...), " ")})
	},
	// chrun firefox, where it is firefox-bin
	func(g *guesses) string {
		if near := nearest(g.word, g.inside()); len(near) > 0 {
			return "in the chroot there is " + strings.Join(near, ", ") + ": " + g.line("chrun", g.flags, near[:1], g.rest)
		}
		return ""
	},
	func(g *guesses) string {
		if other := g.elsewhere(g.word); other != "" {
			return fmt.Sprintf("the chroot %q has it: %s", other, g.line("chrun", g.flags, []string{"-c", other, g.word}, g.rest))
		}
		return ""
	},
	func(g *guesses) string {
		if !g.onHost(g.word) {
			return ""
		}
		return "the host has it: " + g.line("", nil, []string{g.word}, g.rest)
	},
}

// ofDirectory: chrun /mnt/gentoo firefox
func ofDirectory(g *guesses) string {
	root, err := rootfs.Open(rootfs.HostPath(g.word))
	if err != nil || !strings.Contains(g.word, "/") && strings.Trim(g.word, ".") != "" {
		return ""
	}
	root.Close()
	return "for the chroot in that directory: " + g.line("chrun", g.flags, []string{"-c", g.word}, g.rest)
}

// ofVerb: chrun add gentoo /mnt/gentoo
func ofVerb(g *guesses) string {
	verbs := []string{"add", "forget", "list", "default", "set", "unset", "show", "features", "gc", "apps", "export", "unexport", "sync"}
	if !slices.Contains(verbs, g.word) {
		return ""
	}
	return g.line("chrunctl", nil, []string{g.word}, g.rest)
}

// guesses is what the table looks at.
type guesses struct {
	word        string   // COMMAND
	flags, rest []string // the words before and after it
	names       []string // of the known chroots
	inside      func() []string
	elsewhere   func(word string) string
	onHost      func(word string) bool
}

func (g *guesses) line(program string, words ...[]string) string {
	all := []string{}
	if program != "" {
		all = append(all, program)
	}
	for _, w := range words {
		all = append(all, w...)
	}
	return session.Quote(all...)
}

// guessed is what the table says, "" if nothing.
func (g *guesses) guessed() string {
	for _, row := range guessTable {
		if s := row(g); s != "" {
			return s
		}
	}
	return ""
}

// newGuesses looks around for a launch that failed.
func newGuesses(o *options, root *rootfs.Root, conf *config.Config, search string) *guesses {
	names, _ := conf.Names()
	flags := o.typed[:len(o.typed)-len(o.argv)]
	if n := len(flags); n > 0 && flags[n-1] == "--" {
		flags = flags[:n-1]
	}
	return &guesses{
		word: o.argv[0], flags: flags, rest: o.argv[1:], names: names,
		inside: func() []string { return programs(root, search) },
		elsewhere: func(word string) string {
			for _, name := range names {
				if ch, err := conf.Chroot(name); err == nil && has(ch.Path, word, root.Dir()) {
					return name
				}
			}
			return ""
		},
		onHost: func(word string) bool {
			return slices.ContainsFunc(strings.Split(os.Getenv("PATH"), ":"), func(dir string) bool {
				st, err := os.Stat(path.Join(dir, word))
				return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 && path.IsAbs(dir)
			})
		},
	}
}

// programs lists the names in a search path of the tree.
func programs(root *rootfs.Root, search string) (names []string) {
	for _, dir := range strings.Split(search, ":") {
		list, _ := root.List(rootfs.Path(dir))
		for _, e := range list {
			names = append(names, e.Name())
		}
	}
	return names
}

// has says whether another tree has a program of that name.
func has(dir rootfs.HostPath, word string, not rootfs.HostPath) bool {
	root, err := rootfs.Open(dir)
	if err != nil || strings.Contains(word, "/") || strings.Trim(word, ".") == "" {
		return false
	}
	defer root.Close()
	return root.Dir() != not && slices.ContainsFunc([]rootfs.Path{"/usr/bin", "/usr/local/bin", "/opt/bin", "/usr/sbin"},
		func(bin rootfs.Path) bool { return root.Exists(bin.Join(word)) })
}

// nearest returns up to three names that word may have meant: longer ones that
// begin with it, then ones that differ in one or two letters.
func nearest(word string, names []string) []string {
	slices.Sort(names)
	names = slices.Compact(names)
	var near []string
	for _, suffixed := range []bool{true, false} {
		for _, n := range names {
			longer := strings.HasPrefix(n, word+"-") || strings.HasPrefix(n, word+".")
			if suffixed && longer || !suffixed && !longer && len(word) > 3 && distance(word, n) <= 1+len(word)/6 {
				near = append(near, n)
			}
		}
	}
	return near[:min(3, len(near))]
}

// distance is the number of letters to change, add, drop or swap (optimal
// string alignment).
func distance(a, b string) int {
	if d := len(a) - len(b); d > 2 || d < -2 {
		return 3
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// found looks in the usual places for something that may be a chroot, where
// none is known.
func found(glob func(pattern string) []string) []string {
	var list []string
	for _, pattern := range []string{"/mnt/*", "/srv/chroot/*", "/var/lib/machines/*"} {
		for _, dir := range glob(pattern) {
			if root, err := rootfs.Open(rootfs.HostPath(dir)); err == nil {
				root.Close()
				list = append(list, dir)
			}
		}
	}
	return list
}
