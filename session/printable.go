package session

import "strings"

// Printable replaces control characters, which could change what a terminal
// shows, with question marks.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
