package service

import (
	"errors"
	"strings"
)

// SplitCommand splits a command line into words as g_shell_parse_argv and
// _dbus_shell_parse_argv do, which are identical: with quotes, backslashes and
// comments as in a shell, but without expansion. A line without a word is an error.
func SplitCommand(line string) ([]string, error) {
	var argv []string
	var word []byte // nil between words
	end := func() {
		if word != nil {
			argv, word = append(argv, string(word)), nil
		}
	}
	add := func(text ...byte) {
		if word == nil {
			word = []byte{}
		}
		word = append(word, text...)
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case ' ', '\t', '\n':
			end()
		case '#':
			if i > 0 && line[i-1] != ' ' && line[i-1] != '\n' {
				add(c)
				continue
			}
			if i == len(line)-1 {
				return nil, errors.New("it ends with an empty comment")
			}
			for i++; i < len(line) && line[i] != '\n'; i++ {
			}
		case '\\':
			if i++; i == len(line) {
				return nil, errors.New("it ends with a backslash")
			}
			if line[i] != '\n' {
				add(line[i])
			}
		case '\'', '"':
			text, n := parseQuoted(line[i:])
			if n == 0 {
				return nil, errors.New("it has an unterminated quotation")
			}
			add(text...)
			i += n - 1
		default:
			add(c)
		}
	}
	end()
	if argv == nil {
		return nil, errors.New("it is empty")
	}
	return argv, nil
}

// parseQuoted returns the text of the quotation that s begins with, and its length
// in s, or 0 if it is not terminated.
func parseQuoted(s string) (text []byte, n int) {
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == s[0]:
			return text, i + 1
		case c == '\\' && s[0] == '"' && i+1 < len(s):
			if i++; !strings.ContainsRune("\"\\`$\n", rune(s[i])) {
				text = append(text, '\\')
			}
			text = append(text, s[i])
		default:
			text = append(text, c)
		}
	}
	return nil, 0
}
