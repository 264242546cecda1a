package entry

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Word is an argument of Exec without quotes. Field codes look like %f, and a
// percent sign is %%.
type Word string

// Literal returns words that stand for exactly these arguments.
func Literal(args ...string) []Word {
	words := make([]Word, len(args))
	for i, a := range args {
		words[i] = Word(strings.ReplaceAll(a, "%", "%%"))
	}
	return words
}

const (
	fileCodes  = "fFuU"
	otherCodes = "ick"
	deprecated = "dDnNvm"
	// reserved are the characters that need quotes. Those in the second string
	// need them only because KDE may use a shell.
	reserved = " \t\n\r\"'\\><~|&;$*?#()`" + "[]{}!^"
)

// maxWords is how many arguments Exec may have.
const maxWords = 1000

// ParseExec parses the value of Exec as it is in the file ("The Exec key"): the
// escapes of the string, words, quotes and field codes. It treats unusual ones as
// GLib does: single quotes, a backslash outside quotes, a field code that is the
// only text in its quotes; the first field code for files counts, and unknown ones
// are removed, as are deprecated ones. dropped says which. Other field codes in
// quotes are an error, since launchers disagree about them.
func ParseExec(value string) (words []Word, dropped []Dropped, err error) {
	tokens, err := splitCommand(unescape(value))
	if err != nil {
		return nil, nil, err
	}
	var p codeParser
	for _, t := range moveOutOfScript(tokens) {
		w, err := p.parse(t)
		switch {
		case err != nil:
			return nil, nil, err
		case w == "" && t.text != "": // a field code that was removed
			continue
		case len(words) == 0 && w.hasCodes():
			return nil, nil, errors.New("the program in Exec is a field code")
		}
		words = append(words, w)
	}
	switch {
	case len(words) == 0 || words[0] == "":
		return nil, nil, errors.New("Exec names no program")
	case strings.Contains(string(words[0]), "="):
		return nil, nil, errors.New("the program in Exec contains =")
	case len(words) > maxWords:
		return nil, nil, fmt.Errorf("Exec has more than %d arguments", maxWords)
	}
	return words, p.dropped, nil
}

// token is a word without its quotes. quoted tells which bytes were in quotes.
type token struct {
	text   string
	quoted []bool
}

// splitCommand splits a command line into words.
func splitCommand(s string) (tokens []token, err error) {
	var t token
	if strings.IndexByte(s, 0) >= 0 {
		return nil, errors.New("Exec contains a NUL byte")
	}
	in, quote := false, byte(0)
	put := func(c byte) {
		t.text, t.quoted, in = t.text+string([]byte{c}), append(t.quoted, quote != 0), true
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == '"' && c == '\\' && i+1 < len(s) && strings.IndexByte("\"`$\\", s[i+1]) >= 0:
			i++
			put(s[i])
		case quote != 0:
			put(c)
		case c == '"', c == '\'':
			quote, in = c, true
		case c == '\\':
			if i++; i == len(s) {
				return nil, errors.New("Exec ends with a backslash")
			}
			put(s[i])
		case c == ' ', c == '\t', c == '\n':
			if in {
				tokens, t, in = append(tokens, t), token{}, false
			}
		default:
			put(c)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("Exec has an unterminated %c", quote)
	}
	if in {
		tokens = append(tokens, t)
	}
	return tokens, nil
}

// hasCodes reports whether the word has field codes.
func (w Word) hasCodes() bool {
	return strings.Contains(strings.ReplaceAll(string(w), "%%", ""), "%")
}

// codeParser checks the field codes of one command.
type codeParser struct {
	file    byte // the field code for files, once there is one
	dropped []Dropped
}

func (p *codeParser) drop(code rune, why string) {
	p.dropped = append(p.dropped, Dropped{Key: fmt.Sprintf("%%%c in Exec", code), Why: why})
}

func (p *codeParser) parse(t token) (Word, error) {
	var b strings.Builder
	for i := 0; i < len(t.text); i++ {
		switch {
		case t.text[i] != '%':
			b.WriteByte(t.text[i])
			continue
		case i+1 == len(t.text), strings.IndexByte(" \t\n", t.text[i+1]) >= 0: // as in 50%
			b.WriteString("%%")
			continue
		}
		i++
		code := t.text[i]
		isOnlyText := len(t.text) == 2
		switch {
		case code == '%', code == 'k':
		case strings.IndexByte(deprecated, code) >= 0:
			continue
		case strings.IndexByte(fileCodes+otherCodes, code) < 0:
			r, n := utf8.DecodeRuneInString(t.text[i:])
			i += n - 1
			p.drop(r, "it is not a field code")
			continue
		case isOnlyText:
		case t.quoted[i], strings.ContainsAny(t.text, reserved):
			return "", fmt.Errorf("Exec has the field code %%%c in quotes with other text", code)
		case code == 'i', strings.IndexByte("FU", code) >= 0 && p.file == 0:
			return "", fmt.Errorf("Exec has the field code %%%c inside an argument", code)
		}
		if strings.IndexByte(fileCodes, code) >= 0 {
			if p.file != 0 {
				p.drop(rune(code), fmt.Sprintf("%%%c comes first, and launchers use one of them", p.file))
				continue
			}
			p.file = code
		}
		b.WriteString("%" + string(rune(code)))
	}
	return Word(b.String()), nil
}

// FormatExec returns the shortest value of Exec, as it is in a file, that ParseExec
// and every launcher parse as these words.
func FormatExec(words []Word) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		if w == "" || strings.ContainsAny(string(w), reserved) {
			b.WriteString(`"` + quoter.Replace(string(w)) + `"`)
		} else {
			b.WriteString(string(w))
		}
	}
	return escape(b.String())
}

var quoter = strings.NewReplacer(`"`, `\"`, "`", "\\`", `$`, `\$`, `\`, `\\`)
