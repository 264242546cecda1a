package entry

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// shells are the programs whose option -c is followed by a script.
var shells = newSet("sh bash dash ash ksh mksh zsh")

// commandOption is an option of a shell that the script follows.
var commandOption = regexp.MustCompile(`^-[a-z]*c$`)

// unsupported matches scripts in which "$@" may not be the arguments of the script,
// and texts that findCode does not understand.
var unsupported = regexp.MustCompile(`#|<<|\\\s|\(\s*\)|\b(set|shift|function)\b`)

// moveOutOfScript changes sh -c "prog %U" into sh -c 'prog "$@"' sh %U, so that no
// launcher puts names of files into a script. It does this if the code is a whole
// word of the script, and the script has no arguments.
func moveOutOfScript(tokens []token) []token {
	last := len(tokens) - 1
	if last < 2 || !commandOption.MatchString(tokens[last-1].text) || unsupported.MatchString(tokens[last].text) ||
		!slices.ContainsFunc(tokens[:last-1], func(t token) bool { return shells[path.Base(t.text)] }) {
		return tokens
	}
	script := tokens[last].text
	from, to := findCode(script)
	if from < 0 || len(script) == 2 {
		return tokens
	}
	code := strings.Trim(script[from:to], `"'`)
	script = script[:from] + `"$@"` + script[to:]
	return append(tokens[:last:last], newToken(script), newToken("sh"), newToken(code))
}

func newToken(text string) token { return token{text, make([]bool, len(text))} }

// findCode returns where the only field code for files is in a script, with the
// quotes that it may have, or -1 if it is not a whole word.
func findCode(script string) (from, to int) {
	from = -1
	var quote byte
	opened := 0 // where the quote began
	for i := 0; i < len(script); i++ {
		c := script[i]
		switch {
		case c == '\\' && quote != '\'':
			i++
		case c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, opened = c, i
		case c == '%' && i+1 < len(script):
			i++
			if strings.IndexByte(fileCodes, script[i]) < 0 {
				continue
			}
			if from >= 0 { // a second one
				return -1, 0
			}
			from, to = i-1, i+1
			if quote != 0 {
				if opened != from-1 || to == len(script) || script[to] != quote {
					return -1, 0
				}
				from, to = opened, to+1
			}
			if !isWordEnd(script[:from], true) || !isWordEnd(script[to:], false) {
				return -1, 0
			}
		}
	}
	return from, to
}

// isWordEnd reports whether a word ends before rest, or with last begins after it.
func isWordEnd(rest string, last bool) bool {
	switch {
	case rest == "":
		return true
	case last:
		return strings.IndexByte(" \t\n;&|(`", rest[len(rest)-1]) >= 0
	}
	return strings.IndexByte(" \t\n;&|)<>`", rest[0]) >= 0
}

// plainPath is a path that means the same inside a script.
var plainPath = regexp.MustCompile(`^[A-Za-z0-9/._+@:,-]+$`)

// replaceLocation replaces %k by the path of the entry, which is "" if it has none.
func replaceLocation(words []Word, source string) []Word {
	source = strings.ReplaceAll(source, "%", "%%")
	inScript := source
	if !plainPath.MatchString(source) && source != "" {
		inScript = "'" + strings.ReplaceAll(source, "'", `'\''`) + "'" // as GLib does
	}
	words = slices.Clone(words)
	for i, w := range words {
		to := source
		if strings.ContainsAny(string(w), reserved) {
			to = inScript
		}
		words[i] = Word(strings.NewReplacer("%%", "%%", "%k", to).Replace(string(w)))
	}
	return slices.DeleteFunc(words, func(w Word) bool { return source == "" && w == "%k" })
}
