package session

import (
	"reflect"
	"strings"
	"unicode/utf8"
)

// Printable replaces characters that could change what a terminal shows with
// question marks: control characters and newlines, what is not UTF-8, and
// characters that reorder a line (U+202A and the like).
func Printable(s string) string { return replaceUnprintable(s, "") }

// PrintableText is like Printable, but keeps newlines and tabs.
func PrintableText(s string) string { return replaceUnprintable(s, "\n\t") }

func replaceUnprintable(s, keep string) string {
	return strings.Map(func(r rune) rune {
		if isPrintable(r) || strings.ContainsRune(keep, r) {
			return r
		}
		return '?'
	}, s)
}

func isPrintable(r rune) bool {
	switch {
	case r < ' ', 0x7f <= r && r < 0xa0, r == utf8.RuneError,
		0x2028 <= r && r <= 0x202e, 0x2066 <= r && r <= 0x2069: // separators of lines, embeddings and isolates
		return false
	}
	return true
}

// printableArgs makes the strings among the arguments of a format printable.
func printableArgs(args []any) []any {
	list := make([]any, len(args))
	for i, a := range args {
		if v := reflect.ValueOf(a); v.Kind() == reflect.String {
			a = Printable(v.String())
		}
		list[i] = a
	}
	return list
}
