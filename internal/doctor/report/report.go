// Package report holds the words of chrunctl doctor: what one check found, the table
// of faults with what mends each, and the table that a person reads. The page
// docs/troubleshooting.md is made of the same faults.
package report

import "slices"

// Status is how a check ended.
type Status string

const (
	OK     Status = "ok"
	Failed Status = "failed"
	Note   Status = "note" // it works, but a person should know something
	Off    Status = "off"  // not there, denied or not asked for: nothing is wrong
)

// Step is how far the way from the host to the program was followed.
type Step string

const (
	Found     Step = "found on the host"
	Allowed   Step = "allowed"
	Brought   Step = "brought in"
	Reachable Step = "reachable inside"
	Answers   Step = "answers inside"
)

// Check is what one check found. Everything in it may come from a hostile chroot or
// server: it is printed through a cli.Terminal only.
type Check struct {
	Feature string `json:"feature"` // the name of a row: a feature, or one of Rows
	Step    Step   `json:"step,omitempty"`
	Status  Status `json:"status"`
	Text    string `json:"text"` // one line
	// Fault is the ID of a row of Faults, if Status is Failed or Note.
	Fault string `json:"fault,omitempty"`
	// Values replace {NAME} in the command of the fault.
	Values map[string]string `json:"values,omitempty"`
	// Command is what mends it, made of the fault and the values.
	Command string `json:"command,omitempty"`
}

// Rows are the rows of the table besides the features: first what a launch needs,
// last what has no feature of its own.
var Rows = struct{ First, Last []string }{
	First: []string{"host", "records", "launch"},
	Last:  []string{"sandbox", "fonts", "input-method", "home"},
}

// Good returns a check that found all well.
func Good(feature string, step Step, text string) Check {
	return Check{Feature: feature, Step: step, Status: OK, Text: text}
}

// Absent returns a check that found nothing, where nothing is wrong with that.
func Absent(feature string, step Step, text string) Check {
	return Check{Feature: feature, Step: step, Status: Off, Text: text}
}

// Bad returns a failed check. values are pairs of a name and a value.
func Bad(feature string, step Step, fault, text string, values ...string) Check {
	c := Check{Feature: feature, Step: step, Status: Failed, Text: text, Fault: fault}
	for pair := range slices.Chunk(values, 2) {
		if c.Values == nil {
			c.Values = map[string]string{}
		}
		c.Values[pair[0]] = pair[1]
	}
	return c
}

// Notice is like Bad for something that works all the same.
func Notice(feature string, step Step, fault, text string, values ...string) Check {
	c := Bad(feature, step, fault, text, values...)
	c.Status = Note
	return c
}

// Report is all that the doctor found.
type Report struct {
	Chroot   string  `json:"chroot"`   // its name or directory
	Identity string  `json:"identity"` // of the launch
	Millis   int64   `json:"milliseconds"`
	Starts   bool    `json:"starts"` // a program could be started inside
	Checks   []Check `json:"checks"`
}

// Add adds checks; a check that was made already is left out.
func (r *Report) Add(checks ...Check) {
	for _, c := range checks {
		if !slices.ContainsFunc(r.Checks, func(o Check) bool {
			return o.Feature == c.Feature && o.Text == c.Text && o.Status == c.Status
		}) {
			r.Checks = append(r.Checks, c)
		}
	}
}

// HasFailed reports whether a check failed.
func (r *Report) HasFailed() bool {
	return slices.ContainsFunc(r.Checks, func(c Check) bool { return c.Status == Failed })
}
