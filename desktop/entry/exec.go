package entry

import (
	"errors"
	"fmt"
	"strings"
)

// Word is an argument of Exec, unquoted, in which a field code is %f and a
// percent sign is %%.
type Word string

// Literal are words that mean args as they are.
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
	// reserved are the characters that make quotes necessary; those of the last
	// row only because KDE may use a shell.
	reserved = " \t\n\r\"'\\><~|&;$*?#()`" + "[]{}!^"
)

// maxWords is how many arguments Exec may have.
const maxWords = 1000

// ParseExec reads the value of Exec as it is in the file ("The Exec key"): the
// string's escapes, words, quotes, field codes. Single quotes and a backslash
// outside quotes are read as GLib does, and so is a code that is alone in its
// quotes; other codes in quotes mean something else to every launcher and are an
// error. Deprecated codes vanish.
func ParseExec(value string) ([]Word, error) {
	texts, err := split(unescape(value))
	if err != nil {
		return nil, err
	}
	var words []Word
	files := 0
	for _, t := range texts {
		w, n, err := t.parseCodes()
		files += n
		switch {
		case err != nil:
			return nil, err
		case files > 1:
			return nil, errors.New("Exec has more than one of %f, %F, %u and %U")
		case w == "" && t.text != "": // a deprecated code
			continue
		case len(words) == 0 && t.hasCodes():
			return nil, errors.New("the program in Exec is a field code")
		}
		words = append(words, w)
	}
	switch {
	case len(words) == 0 || words[0] == "":
		return nil, errors.New("Exec names no program")
	case strings.Contains(string(words[0]), "="):
		return nil, errors.New("the program in Exec has a =")
	case len(words) > maxWords:
		return nil, fmt.Errorf("Exec has more than %d arguments", maxWords)
	}
	return words, nil
}

// token is a word with its quotes taken off, and which of its bytes were in them.
type token struct {
	text   string
	quoted []bool
}

// split takes a command line apart.
func split(s string) (texts []token, err error) {
	var t token
	if strings.IndexByte(s, 0) >= 0 {
		return nil, errors.New("Exec holds a NUL byte")
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
				return nil, errors.New("Exec ends in a backslash")
			}
			put(s[i])
		case c == ' ', c == '\t', c == '\n':
			if in {
				texts, t, in = append(texts, t), token{}, false
			}
		default:
			put(c)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("Exec has a %c that does not end", quote)
	}
	if in {
		texts = append(texts, t)
	}
	return texts, nil
}

// hasCodes says whether a word has field hasCodes.
func (t *token) hasCodes() bool {
	return strings.Contains(strings.ReplaceAll(t.text, "%%", ""), "%")
}

// parseCodes checks the field codes; files counts those for files.
func (t *token) parseCodes() (w Word, files int, err error) {
	var b strings.Builder
	for i := 0; i < len(t.text); i++ {
		c := t.text[i]
		if c != '%' {
			b.WriteByte(c)
			continue
		}
		if i++; i == len(t.text) {
			return "", 0, errors.New("Exec has a % with nothing behind it")
		}
		code := t.text[i]
		alone := len(t.text) == 2
		switch {
		case code == '%':
		case strings.IndexByte(deprecated, code) >= 0:
			continue
		case strings.IndexByte(fileCodes+otherCodes, code) < 0:
			return "", 0, fmt.Errorf("Exec has the unknown field code %%%c", code)
		case alone:
		case t.quoted[i], strings.ContainsAny(t.text, reserved):
			return "", 0, fmt.Errorf("Exec has the field code %%%c in quotes, with more", code)
		case strings.IndexByte("FUi", code) >= 0:
			return "", 0, fmt.Errorf("Exec has the field code %%%c inside an argument", code)
		}
		if strings.IndexByte(fileCodes, code) >= 0 {
			files++
		}
		b.WriteString("%" + string(rune(code)))
	}
	return Word(b.String()), files, nil
}

// FormatExec is the shortest value of Exec, as it is in a file, that ParseExec
// and every launcher read as words.
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
