package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Style is how the table is printed.
type Style struct {
	Symbols bool // ✓ ✗ –, where they can be shown; else words, which programs for the blind read well
	Color   bool
	Columns int  // of the terminal, 0 if unknown
	Verbose bool // every check, with how far it went
}

// mark is how a status is written.
var marks = map[Status]struct{ symbol, word, color string }{
	OK:     {"✓", "ok", "\x1b[32m"},
	Failed: {"✗", "failed", "\x1b[31m"},
	Note:   {"!", "note", "\x1b[33m"},
	Off:    {"–", "off", "\x1b[2m"},
}

const endColor = "\x1b[0m" // ECMA-48, SGR 0

// Print writes the verdict and the table. order are the names of the rows; print makes
// text from a chroot printable.
func (r *Report) Print(out io.Writer, order []string, s Style, print func(string) string) {
	fmt.Fprintf(out, "%s\n\n", print(r.Verdict()))
	width := 0
	for _, c := range r.Checks {
		width = max(width, len(c.Feature))
	}
	for _, name := range r.rows(order) {
		checks := r.of(name)
		for i, c := range checks {
			if !s.Verbose && !isWorthALine(checks, i) {
				continue
			}
			r.printCheck(out, c, width, s, print)
			if s.Verbose {
				continue
			}
		}
	}
}

// rows returns the names of the rows that have checks: those of order, then others.
func (r *Report) rows(order []string) (names []string) {
	for _, c := range r.Checks {
		if !slices.Contains(names, c.Feature) {
			names = append(names, c.Feature)
		}
	}
	at := func(name string) int {
		if i := slices.Index(order, name); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(at(a), at(b)) })
	return names
}

func (r *Report) of(feature string) (checks []Check) {
	for _, c := range r.Checks {
		if c.Feature == feature {
			checks = append(checks, c)
		}
	}
	return checks
}

// isWorthALine reports whether check i of a row is printed without -v: what failed and
// what should be known, else the last thing that works, else that it is off.
func isWorthALine(checks []Check, i int) bool {
	switch c := checks[i]; {
	case c.Status == Failed || c.Status == Note:
		return true
	case slices.ContainsFunc(checks, func(o Check) bool { return o.Status == Failed }):
		return false
	case c.Status == OK:
		return !slices.ContainsFunc(checks[i+1:], func(o Check) bool { return o.Status == OK })
	}
	return !slices.ContainsFunc(checks, func(o Check) bool { return o.Status == OK || o.Status == Note }) && i == len(checks)-1
}

// printCheck writes one line, folded, and the command below it.
func (r *Report) printCheck(out io.Writer, c Check, width int, s Style, print func(string) string) {
	m := marks[c.Status]
	mark, markWidth := m.word, len("failed")
	if s.Symbols {
		mark, markWidth = m.symbol, 1
	}
	pad := strings.Repeat(" ", markWidth-len([]rune(mark)))
	if s.Color {
		mark = m.color + mark + endColor
	}
	text := c.Text
	if s.Verbose && c.Step != "" {
		text = string(c.Step) + ": " + text
	}
	indent := markWidth + 1 + width + 2
	fmt.Fprintf(out, "%s%s %-*s  %s\n", mark, pad, width, print(c.Feature), fold(print(text), indent, s.Columns))
	if c.Command != "" && c.Status != OK {
		fmt.Fprintf(out, "%s%s\n", strings.Repeat(" ", indent), "type: "+print(c.Command))
	}
}

// fold breaks a text at blanks so that no line is longer than columns, where that is
// possible. The lines after the first one are indented.
func fold(text string, indent, columns int) string {
	if columns == 0 {
		return text
	}
	room := max(columns-indent, 20)
	var b strings.Builder
	length := 0
	for _, word := range strings.Fields(text) {
		n := len([]rune(word))
		switch {
		case length == 0:
		case length+1+n > room:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			length = 0
		default:
			b.WriteString(" ")
			length++
		}
		b.WriteString(word)
		length += n
	}
	return b.String()
}

// Verdict says in one sentence how it is.
func (r *Report) Verdict() string {
	var failed, notes []string
	for _, c := range r.Checks {
		switch {
		case c.Status == Failed && !slices.Contains(failed, c.Feature):
			failed = append(failed, c.Feature)
		case c.Status == Note && !slices.Contains(notes, c.Feature):
			notes = append(notes, c.Feature)
		}
	}
	name := cmp.Or(r.Chroot, "the host")
	switch {
	case len(failed) == 1:
		return fmt.Sprintf("One thing does not work in %s: %s.", name, failed[0])
	case len(failed) > 1:
		return fmt.Sprintf("%d things do not work in %s: %s.", len(failed), name, strings.Join(failed, ", "))
	case len(notes) > 0:
		return fmt.Sprintf("All works in %s. To know: %s.", name, strings.Join(notes, ", "))
	}
	return fmt.Sprintf("All works in %s.", name)
}
