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
	Rows    int  // the same
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
// text from a chroot printable. What failed comes again at the end if the terminal
// does not show all.
func (r *Report) Print(out io.Writer, order []string, s Style, print func(string) string) {
	var b strings.Builder
	t := &table{&b, s, print, 0, map[string]bool{}}
	for _, c := range r.Checks {
		t.width = max(t.width, len(c.Feature))
	}
	t.verdict(r.Verdict(order))
	r.printRows(t, order, func(checks []Check, i int) bool { return s.Verbose || isWorthALine(checks, i) })
	if s.Rows > 0 && strings.Count(b.String(), "\n") >= s.Rows && r.HasFailed() {
		b.WriteString("\n")
		t.verdict(r.Verdict(order))
		clear(t.said)
		r.printRows(t, order, func(checks []Check, i int) bool { return checks[i].Status == Failed })
	}
	io.WriteString(out, b.String())
}

// printRows writes the checks that are wanted.
func (r *Report) printRows(t *table, order []string, wanted func(checks []Check, i int) bool) {
	for _, name := range r.rows(order) {
		checks := r.of(name)
		for i, c := range checks {
			if wanted(checks, i) {
				t.check(c)
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

// table is what is being printed.
type table struct {
	out *strings.Builder
	Style
	print func(string) string
	width int             // of the names of the rows
	said  map[string]bool // the commands that were written
}

// bold writes text so that it can be found at a glance.
func (t *table) bold(text string) string {
	if !t.Color {
		return text
	}
	return "\x1b[1m" + text + endColor
}

func (t *table) verdict(text string) {
	for line := range strings.SplitSeq(fold(t.print(text), 0, t.Columns), "\n") {
		fmt.Fprintln(t.out, t.bold(line))
	}
	fmt.Fprintln(t.out)
}

// check writes one line, folded, and the command below it, which is not folded, so that
// it can be copied.
func (t *table) check(c Check) {
	m := marks[c.Status]
	mark, markWidth := m.word, len("failed")
	if t.Symbols {
		mark, markWidth = m.symbol, 1
	}
	pad := strings.Repeat(" ", markWidth-len([]rune(mark)))
	if t.Color {
		mark = m.color + mark + endColor
	}
	text := c.Text
	if t.Verbose && c.Step != "" {
		text = string(c.Step) + ": " + text
	}
	indent := markWidth + 1 + t.width + 2
	fmt.Fprintf(t.out, "%s%s %-*s  %s\n", mark, pad, t.width, t.print(c.Feature), fold(t.print(text), indent, t.Columns))
	switch margin := strings.Repeat(" ", indent); {
	case c.Command == "" || c.Status == OK:
	case t.said[c.Command]:
		fmt.Fprintf(t.out, "%sthe command above mends this, too\n", margin)
	default:
		line := t.print(c.Command)
		end := " "
		if t.Columns > 0 && indent+len("type: ")+len([]rune(line)) > t.Columns {
			end = "\n" // it has the whole width, so that it can be copied
		}
		fmt.Fprintf(t.out, "%stype:%s%s\n", margin, end, t.bold(line))
	}
	t.said[c.Command] = true
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

// Verdict says in one sentence how it is. order are the names of the rows.
func (r *Report) Verdict(order []string) string {
	var failed, notes []string
	for _, name := range r.rows(order) {
		has := func(s Status) bool {
			return slices.ContainsFunc(r.Checks, func(c Check) bool { return c.Feature == name && c.Status == s })
		}
		if has(Failed) {
			failed = append(failed, name)
		}
		if has(Note) {
			notes = append(notes, name)
		}
	}
	name := cmp.Or(r.Chroot, "the host")
	if r.hasNoDisplay() && r.Starts {
		name += ", where no display was found"
	}
	switch {
	case len(failed) > 0 && !r.Starts:
		return fmt.Sprintf("No program starts in %s. What failed: %s.", name, strings.Join(failed, ", "))
	case len(failed) == 1:
		return fmt.Sprintf("One thing does not work in %s: %s.", name, failed[0])
	case len(failed) > 1:
		return fmt.Sprintf("%d things do not work in %s: %s.", len(failed), name, strings.Join(failed, ", "))
	case len(notes) > 0:
		return fmt.Sprintf("All works in %s. To know: %s.", name, strings.Join(notes, ", "))
	}
	return fmt.Sprintf("All works in %s.", name)
}

// hasNoDisplay reports whether the program can open no window, which may be as it should
// be: nobody has denied it, but nothing was found.
func (r *Report) hasNoDisplay() bool {
	for _, name := range []string{"wayland", "x11"} {
		checks := r.of(name)
		if !slices.ContainsFunc(checks, func(c Check) bool { return c.Step == Found }) ||
			slices.ContainsFunc(checks, func(c Check) bool { return c.Status != Off }) {
			return false
		}
	}
	return true
}
