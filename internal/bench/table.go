package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// table gathers what is measured.
type table struct {
	promised, other []string // rows with and without a target
	launch          samples  // chrun's, for what is measured apart from it
	parts           []string
	growth          []growth
}

type growth struct {
	what  string
	names []string
	rows  []string
}

// ratio adds chrun's times against another's. A limit of 0 means that nothing is
// promised.
func (t *table) ratio(what, other string, limit float64, ours, theirs samples) {
	r := ours.median() / theirs.median()
	t.add(what, other, fmt.Sprintf("%.2f", r), bound("≤ %v", limit), met(r, limit), millis(ours), millis(theirs))
}

// more adds chrun's bytes against another's; margin is how much more they may be.
func (t *table) more(what, other string, margin float64, ours, theirs samples) {
	const mib = 1 << 20
	more := ours.median() - theirs.median()
	t.add(what, other, fmt.Sprintf("%+.1f MiB", more/mib), bound("≤ +%.0f MiB", margin/mib), met(more, margin),
		fmt.Sprintf("%.1f MiB", ours.median()/mib), fmt.Sprintf("%.1f MiB", theirs.median()/mib))
}

// skip adds a row without numbers.
func (t *table) skip(what, other string, limit float64, err error) {
	why, _, _ := strings.Cut(err.Error(), "\n")
	t.add(what, other, "–", bound("≤ %v", limit), "", "", why)
}

func (t *table) add(what, other, ratio, target, met, ours, theirs string) {
	row := line(what, other, ratio, target, met, ours, theirs)
	if target == "" {
		t.other = append(t.other, row)
	} else {
		t.promised = append(t.promised, row)
	}
}

// part adds a row to the table of where the time goes.
func (t *table) part(what string, times samples) {
	t.parts = append(t.parts, line(what, fmt.Sprintf("%.2f", times.median()/t.launch.median()), millis(times)))
}

// grow adds a row to the table of that name.
func (t *table) grow(what string, count int, names []string, times []samples) {
	i := slices.IndexFunc(t.growth, func(g growth) bool { return g.what == what })
	if i < 0 {
		i = len(t.growth)
		t.growth = append(t.growth, growth{what: what, names: names})
	}
	cells := []string{fmt.Sprint(count)}
	for _, theirs := range times[1:] {
		cells = append(cells, fmt.Sprintf("%.2f", times[0].median()/theirs.median()))
	}
	for _, s := range times {
		cells = append(cells, millis(s))
	}
	t.growth[i].rows = append(t.growth[i].rows, line(cells...))
}

func bound(format string, limit float64) string {
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

func millis(s samples) string {
	return fmt.Sprintf("%s (%s)", milli(s.median()), milli(s.min()))
}

func milli(seconds float64) string {
	if ms := seconds * 1000; ms < 100 {
		return fmt.Sprintf("%.2f", ms)
	}
	return fmt.Sprintf("%.0f", seconds*1000)
}

func line(cells ...string) string {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(c, "|", `\|`)
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// markdown is everything, ratios first.
func (t *table) markdown(machine string, notes []string) string {
	var b strings.Builder
	b.WriteString(machine + "\n\n")
	b.WriteString("| chrun's | against | ratio | target | | chrun | the other |\n|---|---|---:|---:|---|---:|---:|\n")
	b.WriteString(strings.Join(slices.Concat(t.promised, t.other), ""))
	b.WriteString("\n| where a launch's time goes | of it | chrun |\n|---|---:|---:|\n" + strings.Join(t.parts, ""))
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

// machine names where, and how, it was measured.
func machine(uid, runs int) string {
	var uname unix.Utsname
	unix.Uname(&uname)
	return fmt.Sprintf("%s, %d cores, Linux %s, %s. In ms, median (fastest); %d runs of each launch, in turn, by uid %d in a desktop with Wayland, X11, sound and a session bus.",
		field("/proc/cpuinfo", "model name", ":"), runtime.NumCPU(), unix.ByteSliceToString(uname.Release[:]),
		field("/etc/os-release", "PRETTY_NAME", "="), runs, uid)
}

// field reads the value of a name in a file of such lines.
func field(file, name, separator string) string {
	data, _ := os.ReadFile(file)
	for l := range bytes.Lines(data) {
		if key, value, ok := strings.Cut(string(l), separator); ok && strings.TrimSpace(key) == name {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return "unknown"
}

// Markers between which -write replaces the text.
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
