package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// table collects the results.
type table struct {
	promised, other []string // rows with and without a target
	launch          samples  // of chrun, for measurements that are made separately
	parts           []string
	growth          []growth
}

type growth struct {
	what  string
	names []string
	rows  []string
}

// ratio adds a row that compares chrun's times with another tool's. A limit of 0
// means that there is no target.
func (t *table) ratio(what, other string, limit float64, ours, theirs samples) {
	t.add(what, other, formatRatio(ours, theirs), formatLimit("≤ %v", limit), met(ours.median()/theirs.median(), limit), formatTimes(ours), formatTimes(theirs))
}

// later adds a row with the seconds that chrun's times are above others. limit is the
// target for the difference.
func (t *table) later(what, other string, limit float64, ours, theirs samples) {
	more := ours.median() - theirs.median()
	t.add(what, other, fmt.Sprintf("%+.2f (%+.2f)", more*1000, (ours.min()-theirs.min())*1000), formatLimit("≤ +%v ms", limit*1000),
		met(more, limit), formatTimes(ours), formatTimes(theirs))
}

const mib = 1 << 20

// difference adds a row that compares chrun's memory with another tool's. margin is
// the target for the difference.
func (t *table) difference(what, other string, margin float64, ours, theirs samples) {
	more := ours.median() - theirs.median()
	t.add(what, other, fmt.Sprintf("%+.1f MiB", more/mib), formatLimit("≤ +%v MiB", margin/mib), met(more, margin), formatSizes(ours), formatSizes(theirs))
}

// size adds a row with chrun's memory beside another tool's. limit is the target for
// chrun's own.
func (t *table) size(what, other string, limit float64, ours, theirs samples) {
	t.add(what, other, fmt.Sprintf("%.1f MiB", ours.median()/mib), formatLimit("≤ %v MiB", limit/mib), met(ours.median(), limit), formatSizes(ours), formatSizes(theirs))
}

// skip adds a row without numbers. target is empty if there is none.
func (t *table) skip(what, other, target string, err error) {
	why, _, _ := strings.Cut(err.Error(), "\n")
	t.add(what, other, "–", target, "", "", why)
}

func (t *table) add(what, other, result, target, met, ours, theirs string) {
	row := line(what, other, result, target, met, ours, theirs)
	if target == "" {
		t.other = append(t.other, row)
	} else {
		t.promised = append(t.promised, row)
	}
}

// part adds a row to the table of a launch's parts.
func (t *table) part(what string, times samples) {
	t.parts = append(t.parts, line(what, formatRatio(times, t.launch), formatTimes(times)))
}

// grow adds a row to the growth table with that title.
func (t *table) grow(what string, count int, names []string, times []samples) {
	i := slices.IndexFunc(t.growth, func(g growth) bool { return g.what == what })
	if i < 0 {
		i = len(t.growth)
		t.growth = append(t.growth, growth{what: what, names: names})
	}
	cells := []string{fmt.Sprint(count)}
	for _, theirs := range times[1:] {
		cells = append(cells, formatRatio(times[0], theirs))
	}
	for _, s := range times {
		cells = append(cells, formatTimes(s))
	}
	t.growth[i].rows = append(t.growth[i].rows, line(cells...))
}

func formatLimit(format string, limit float64) string {
	if limit == 0 {
		return ""
	}
	return fmt.Sprintf(format, limit)
}

func met(value, limit float64) string {
	switch {
	case limit == 0:
		return ""
	case value <= limit:
		return "met"
	}
	return "**missed**"
}

// formatRatio returns the ratio of the medians and that of the minima.
func formatRatio(ours, theirs samples) string {
	return fmt.Sprintf("%.2f (%.2f)", ours.median()/theirs.median(), ours.min()/theirs.min())
}

// formatSizes returns the median and the minimum in MiB.
func formatSizes(s samples) string {
	return fmt.Sprintf("%.1f MiB (%.1f)", s.median()/mib, s.min()/mib)
}

// formatTimes returns the median and the minimum in ms.
func formatTimes(s samples) string {
	return fmt.Sprintf("%s (%s)", formatTime(s.median()), formatTime(s.min()))
}

func formatTime(seconds float64) string {
	if ms := seconds * 1000; ms < 100 {
		return fmt.Sprintf("%.2f", ms)
	}
	return fmt.Sprintf("%.0f", seconds*1000)
}

// line returns a row of a table.
func line(cells ...string) string {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(c, "|", `\|`)
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// markdown returns all tables and notes, rows with a target first.
func (t *table) markdown(heading string, notes []string) string {
	var b strings.Builder
	b.WriteString(heading + "\n\n")
	b.WriteString("| what | compared with | result | target | | chrun | the other |\n|---|---|---:|---:|---|---:|---:|\n")
	b.WriteString(strings.Join(slices.Concat(t.promised, t.other), ""))
	b.WriteString("\n| part of a launch | share | chrun |\n|---|---:|---:|\n" + strings.Join(t.parts, ""))
	for _, g := range t.growth {
		head, rule := []string{g.what}, "|---:|"
		for _, name := range g.names[1:] {
			head = append(head, "chrun : "+name)
		}
		head = append(head, g.names...)
		rule += strings.Repeat("---:|", len(head)-1)
		b.WriteString("\n" + line(head...) + rule + "\n" + strings.Join(g.rows, ""))
	}
	for i, note := range notes {
		if i == 0 {
			b.WriteString("\n")
		}
		b.WriteString("* " + note + "\n")
	}
	return b.String()
}

// -write replaces the text between these markers.
const (
	begin = "<!-- bench -->"
	end   = "<!-- /bench -->"
)

// replace puts text between the markers of a file.
func replace(file, text string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(data), begin)
	_, tail, ended := strings.Cut(rest, end)
	if !ok || !ended {
		return fmt.Errorf("%s has no %s … %s", file, begin, end)
	}
	return os.WriteFile(file, []byte(head+begin+"\n"+text+end+tail), 0o644)
}
