package suggest

import (
	"slices"
	"strings"
)

// nearest returns up to three names that word may have meant: first those that
// extend it after a "-" or ".", then those that differ in one or two letters.
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
