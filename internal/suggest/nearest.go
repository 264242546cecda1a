package suggest

import (
	"slices"
	"strings"
)

// nearest returns up to three names that word may have meant: first other builds of
// the program, then, if the word may be mistyped, those that differ in one or two
// letters. Few people mistype the first letter, and zless is not less.
func nearest(word string, names []string, mistyped bool) []string {
	slices.Sort(names)
	names = slices.Compact(names)
	var near []string
	for _, suffixed := range []bool{true, false} {
		for _, n := range names {
			longer := extends(word, n, mistyped)
			if suffixed && longer || !suffixed && !longer && mistyped && len(word) > 3 && startsAlike(word, n) && distance(word, n) <= 1+len(word)/6 {
				near = append(near, n)
			}
		}
	}
	return near[:min(3, len(near))]
}

// builds returns what distributions and projects append to the name of a program.
func builds() []string {
	return strings.Fields("bin esr stable beta nightly browser gtk gtk2 gtk3 gtk4 qt qt5 qt6 gnome nox x11 wayland sdl basic tiny openbsd traditional")
}

// extends reports whether name is the word and a suffix: that of another build of
// the same program, or any.
func extends(word, name string, any bool) bool {
	rest, ok := strings.CutPrefix(name, word)
	if !ok || len(rest) < 2 || rest[0] != '-' && rest[0] != '.' {
		return false
	}
	return any || slices.Contains(builds(), rest[1:]) || rest[1] >= '0' && rest[1] <= '9'
}

// startsAlike reports whether two words begin with the same letter, or with the
// same two letters swapped.
func startsAlike(a, b string) bool {
	return len(b) > 1 && (a[0] == b[0] || a[0] == b[1] && a[1] == b[0])
}

// distance is the number of letters to change, add, remove or swap to get from a
// to b (optimal string alignment).
func distance(a, b string) int {
	if d := len(a) - len(b); d > 2 || d < -2 {
		return max(len(a), len(b)) // too far to be a mistake in typing
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
