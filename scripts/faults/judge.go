package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/internal/trace"
)

// judge decides about the outcomes of one case.
type judge struct {
	world   *world
	launch  *launch
	row     *row
	good    *outcome // nothing failed
	other   *outcome // the kernel refused the overlay over /etc, so that there was another plan
	before  []string // the state before each launch, if the home is not empty then
	after   []string // the state after it
	changed bool     // the last launch has changed the home
}

// learn makes launches in which nothing fails. They must agree.
func (j *judge) learn() (err error) {
	j.changed = true
	for range 3 {
		if err := j.prepare(); err != nil {
			return err
		}
		if j.good, err = j.world.run(j.launch, func(*trace.Call) bool { return false }); err != nil {
			return err
		}
		if exitStatus(j.good.status) != 0 || len(j.good.left) > 0 || j.good.report == nil && !j.launch.export {
			return fmt.Errorf("without a failure: status %d, left %q: %s", exitStatus(j.good.status), j.good.left, j.good.errors)
		}
	}
	for _, line := range j.good.report {
		if key, rest, _ := strings.Cut(line, " "); key == "fd" && rest > "3" {
			return fmt.Errorf("the program has a descriptor of chrun: %s", rest)
		}
	}
	j.other = j.good
	if !j.launch.export {
		if err := j.prepare(); err != nil {
			return err
		}
		refuse := func(c *trace.Call) bool { return c.Nr == unix.SYS_FSOPEN && c.Text(0) == "overlay" }
		if j.other, err = j.world.run(j.launch, refuse); err != nil {
			return err
		}
	}
	if j.after, err = j.world.state(j.launch.grants); err != nil || j.launch.renew {
		return err
	}
	j.before = j.after
	os.RemoveAll(savedHome)
	return exec.Command("cp", "-a", j.world.caller.Home, savedHome).Run()
}

// savedHome is the caller's home before each launch.
const savedHome = base + "/home"

// prepare makes the home what it was before the other launches.
func (j *judge) prepare() error {
	if !j.launch.renew && !j.changed {
		return nil
	}
	j.changed = false
	list, err := os.ReadDir(j.world.caller.Home)
	for _, e := range list {
		os.RemoveAll(filepath.Join(j.world.caller.Home, e.Name()))
	}
	if j.launch.export {
		err = errors.Join(err, j.world.makeOwnEntries())
	}
	if err == nil && !j.launch.renew && j.before != nil {
		err = exec.Command("cp", "-a", savedHome+"/.", j.world.caller.Home).Run()
	}
	return err
}

func exitStatus(s unix.WaitStatus) int {
	if s.Signaled() {
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}

// judge returns what is wrong with an outcome, and counts it.
func (j *judge) judge(o *outcome) (wrong []string, err error) {
	add := func(format string, values ...any) { wrong = append(wrong, fmt.Sprintf(format, values...)) }
	status := exitStatus(o.status)
	said := strings.TrimSpace(o.errors) != "" && o.errors != j.good.errors
	switch {
	case o.hung:
		add("it did not end: %v", o.left)
	case len(o.left) > 0:
		add("processes are left: %v", o.left)
	case o.status.Signaled() || strings.Contains(o.errors, "goroutine ") || status != 0 && (status < 125 || status > 127) && !j.launch.export:
		add("it ended with status %d: %s", status, o.errors)
	case status != 0 && !strings.Contains(o.news(j.good), ": cannot "):
		add("status %d without a reason: %s", status, o.errors)
	}
	if j.launch.export {
		more, err := j.judgeExport(o, said)
		return append(wrong, more...), err
	}
	switch {
	case status != 0 && o.report != nil && !o.began:
		add("status %d, but the program ran: %s", status, o.errors)
	case status == 0 && o.report == nil && !o.hung:
		add("success, but the program did not run: %s", o.errors)
	}
	good := j.good
	if o.missing(j.other) == "" {
		good = j.other
	}
	missing := o.missing(good)
	switch {
	case o.report == nil:
		j.row.refused++
	case missing == "":
		j.row.complete++
	case said || o.planning && !o.lacksEssentials(good):
		j.row.less++
	default:
		add("the program ran without what was planned, and nothing says so:%s", missing)
	}
	if o.report != nil {
		wrong = append(wrong, o.trespasses(j.good)...)
	}
	changes, err := j.changes(o)
	if changes != "" {
		add("it has changed:%s\nprinted:%s", changes, o.news(j.good))
	}
	return wrong, err
}

// changes returns what differs from a state. What "chrunctl gc" removes is only
// counted.
func (j *judge) changes(o *outcome) (string, error) {
	if j.launch.renew {
		return j.changesOfNewHome()
	}
	want := j.before
	now, err := j.world.state(j.launch.grants)
	difference := compare(want, now)
	if err != nil || difference == "" {
		return difference, err
	}
	if j.launch.root {
		j.world.command(true, "chrunctl", "gc").Run()
		if now, err = j.world.state(j.launch.grants); err == nil && compare(want, now) == "" {
			j.row.collected++
			fmt.Printf("%s: left for gc after %s:%s\n", j.launch.name, o.failed, difference)
			return "", nil
		}
	}
	j.changed = true
	for _, line := range now {
		if f := strings.Fields(line); f[0] == "file" && !slices.Contains(want, line) {
			os.RemoveAll(f[1]) // the home is restored as a whole
		}
	}
	return difference, err
}

// changesOfNewHome makes another launch, in which nothing fails. What it makes of
// the home must be what a first launch makes.
func (j *judge) changesOfNewHome() (string, error) {
	again, err := j.world.run(j.launch, nil)
	if err != nil {
		return "", err
	}
	now, err := j.world.state(j.launch.grants)
	difference := compare(j.after, now)
	if again.missing(j.good) != "" || exitStatus(again.status) != 0 {
		difference += "\nthe next launch: " + again.news(j.good) + again.missing(j.good)
	}
	return difference, err
}

// judgeExport judges an export: what reports success must be complete, and what
// does not must be completed by the next.
func (j *judge) judgeExport(o *outcome, said bool) (wrong []string, err error) {
	now, err := j.world.state(false)
	if err != nil {
		return nil, err
	}
	difference := compare(j.after, now)
	switch {
	case exitStatus(o.status) != 0:
		j.row.refused++
	case difference == "":
		j.row.complete++
	case said:
		j.row.less++
	default:
		wrong = append(wrong, fmt.Sprintf("success, but the export is not complete:%s\n%s", difference, o.news(j.good)))
	}
	again, err := j.world.run(j.launch, nil)
	if err != nil {
		return nil, err
	}
	if now, err = j.world.state(false); err != nil {
		return nil, err
	}
	if difference := compare(j.after, now); difference != "" || exitStatus(again.status) != 0 {
		wrong = append(wrong, fmt.Sprintf("the next export, status %d, leaves:%s\n%s%s", exitStatus(again.status), difference, o.news(j.good), again.news(j.good)))
	}
	return wrong, nil
}

// missing returns how a report differs from a good one.
func (o *outcome) missing(good *outcome) string {
	if o.report == nil {
		return ""
	}
	return compare(good.report, o.report)
}

// news is what was printed that is not printed when nothing fails.
func (o *outcome) news(good *outcome) string {
	return compare(strings.Split(good.errors, "\n"), strings.Split(o.errors, "\n"))
}

// essentials are the beginnings of the lines of a report that do not depend on what
// the desktop offers: who the program is, its home, and what the configuration says.
var essentials = []string{"id ", "cwd ", "content ", "file /etc ", "env HOME=", "env USER=", "env PATH=", "env FAULTS=", "mount /share /opt/share "}

// lacksEssentials reports whether something is missing or different that a failure
// before the plan must not change either.
func (o *outcome) lacksEssentials(good *outcome) bool {
	pick := func(report []string) (lines []string) {
		for _, line := range report {
			if slices.ContainsFunc(essentials, func(e string) bool { return strings.HasPrefix(line, e) }) {
				lines = append(lines, line)
			}
		}
		return lines
	}
	return compare(pick(good.report), pick(o.report)) != ""
}

// trespasses returns what a program may never have: another identity or another
// tree, and mounts and descriptors that are not planned.
func (o *outcome) trespasses(good *outcome) (wrong []string) {
	if o.kernel != good.kernel {
		wrong = append(wrong, fmt.Sprintf("the program has %s, not %s", o.kernel, good.kernel))
	}
	lines := func(report []string, key string) []string {
		return slices.DeleteFunc(slices.Clone(report), func(line string) bool { return !strings.HasPrefix(line, key+" ") })
	}
	if difference := compare(lines(good.report, "id"), lines(o.report, "id")); difference != "" {
		wrong = append(wrong, "another identity:"+difference)
	}
	planned := lines(good.report, "mount")
	for _, line := range lines(o.report, "mount") {
		if !slices.ContainsFunc(planned, func(p string) bool { return coversMount(p, line) }) {
			wrong = append(wrong, "not planned: "+line)
		}
	}
	for _, line := range lines(o.report, "fd") {
		if !slices.Contains(good.report, line) {
			wrong = append(wrong, "not planned: "+line)
		}
	}
	return wrong
}

// coversMount reports whether a mount that is planned shows at least what another
// one shows, with at least its rights. What belongs to chrun or to the tree shows
// nothing of the host.
func coversMount(planned, line string) bool {
	p, m := strings.Fields(planned), strings.Fields(line)
	if planned == line || len(m) < 7 || len(p) < 7 {
		return planned == line
	}
	source := func(f []string) string { return strings.Join(f[len(f)-3:len(f)-1], " ") }
	switch {
	case source(m) == "tmpfs none", source(m) == "overlay none":
		return true
	case source(m) == "tmpfs faults" && (strings.HasPrefix(m[1], "/system/") || strings.HasPrefix(m[1], "/own/")):
		return source(p) == source(m) // the tree's
	}
	isBelow := p[1] == m[1] || strings.HasPrefix(m[1], strings.TrimSuffix(p[1], "/")+"/")
	return isBelow && source(p) == source(m) && (p[3] == m[3] || strings.HasPrefix(m[3], "ro,"))
}

// compare lists the lines that only one of the lists has.
func compare(want, got []string) string {
	var out strings.Builder
	list := func(sign string, from, other []string) {
		count := map[string]int{}
		for _, line := range other {
			count[line]++
		}
		for _, line := range from {
			if count[line]--; count[line] < 0 {
				fmt.Fprintf(&out, "\n%s %.300s", sign, line)
			}
		}
	}
	list("-", want, got)
	list("+", got, want)
	return out.String()
}
