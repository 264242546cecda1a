package export

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"chrun/desktop/entry"
	"chrun/desktop/export/icon"
	"chrun/session"
	"chrun/session/rootfs"
)

// Summary says what a plan changes, in lines for a person.
type Summary struct {
	Changes []string
	Notes   []string // about what was kept, removed from entries, or not exported
	Refused error    // for what was named now and is not exported: joined *Error, or nil
	Idle    bool     // nothing changes
}

// Named is what the command line names.
type Named struct {
	All            bool
	Apps, Commands []string // IDs, and names in Host.BinDir
}

// Level is how much a summary says.
type Level int

// Brief is for people, Details adds every note, and Steps also lists every step.
const (
	Brief Level = iota
	Details
	Steps
)

// Summarize says what plan changes on h.
func Summarize(h *Host, plan *Plan, named Named, level Level) Summary {
	s := &summarizer{Summary: Summary{Idle: true}, plan: plan, named: named, level: level, changed: map[string]bool{}}
	for _, step := range plan.Steps {
		s.addStep(h, step)
	}
	for _, n := range plan.Notes {
		s.addNote(n)
	}
	if len(s.unchanged) > 0 && level == Brief {
		s.Notes = append(s.Notes, describeUnchanged(s.unchanged))
	}
	s.Refused = errors.Join(s.refused...)
	return s.Summary
}

type summarizer struct {
	Summary
	plan      *Plan
	named     Named
	level     Level
	changed   map[string]bool // exported IDs
	unchanged []string        // types that another program still opens
	refused   []error
}

func (s *summarizer) addStep(h *Host, step Step) {
	s.Idle = s.Idle && step.Op == Keep
	inBin := path.Dir(step.Path) == h.BinDir
	base := path.Base(step.Path)
	isRefused := step.Op == Keep && step.Why == Foreign && inBin && slices.Contains(s.named.Commands, base)
	if isRefused {
		name := session.Quote(base)
		s.refused = append(s.refused, &Error{"export", name, step.Path + " exists: " + step.Why.String(),
			"if it belongs to another chroot: chrunctl unexport NAME --bin " + name})
	}
	switch id, isEntry := strings.CutSuffix(base, ".desktop"); {
	case s.level == Steps:
		s.Changes = append(s.Changes, session.Printable(strings.TrimSpace(string(step.Op)+" "+step.Path+"  "+step.Why.String())))
	case isRefused: // that is an error
	case step.Op == Keep:
		s.Notes = append(s.Notes, fmt.Sprintf("%s stays as it is: %s", session.Printable(step.Path), step.Why))
	case isEntry:
		s.changed[id] = true
		s.Changes = append(s.Changes, session.Printable(id)+" "+s.plan.describeEntry(h, step))
	case inBin:
		s.Changes = append(s.Changes, step.Path+" "+map[Op]string{Write: "was made", Replace: "has changed", Remove: "was removed"}[step.Op])
	}
}

// addNote adds a note if it is about what the command line names. That another app is
// refused is said when --all is chosen, and when the app was exported before.
func (s *summarizer) addNote(n Note) {
	exported := s.plan.IDs[n.ID]
	isNamed := slices.Contains(s.named.Apps, n.ID)
	concerned := isNamed || s.changed[exported] || s.changed[n.ID] || s.changed[n.ID+"."+s.plan.chroot]
	switch {
	case n.Refusal != "" && isNamed:
		s.refused = append(s.refused, &Error{"export", session.Quote(n.ID), session.Printable(n.Refusal), ""})
		return
	case s.level != Brief && (isNamed || s.named.Apps == nil):
	case n.ID == "" && !s.Idle, n.Refusal != "" && (s.named.All && !s.Idle || concerned):
	case n.types != nil && concerned:
		s.unchanged = append(s.unchanged, n.types...)
		return
	case n.IsDetail, !isNamed:
		return
	}
	s.Notes = append(s.Notes, session.Printable(strings.TrimSpace(n.ID+" "+n.Text)))
}

// describeUnchanged says in one short line that types are opened as before.
func describeUnchanged(types []string) string {
	slices.Sort(types)
	types = slices.Compact(types)
	switch n := len(types); n {
	case 1:
		return "your default for " + types[0] + " is unchanged"
	case 2:
		return "your defaults for " + types[0] + " and " + types[1] + " are unchanged"
	default:
		return fmt.Sprintf("your defaults for %s, %s and %d more are unchanged; -v lists them", types[0], types[1], n-2)
	}
}

// describeEntry says what became of a desktop entry.
func (p *Plan) describeEntry(h *Host, step Step) string {
	switch {
	case step.Op == Replace:
		return "has changed"
	case step.Op == Remove && h.isAutostart(step.Path):
		return "no longer starts when you log in"
	case h.isAutostart(step.Path):
		return "starts when you log in"
	case step.Op == Remove:
		return "is no longer exported"
	case p.files[step.Path] == nil:
		return "is in the menu"
	}
	e, err := entry.Parse(p.files[step.Path].data)
	switch {
	case err != nil || e.IsShown(h.Desktops):
		return "is in the menu"
	case e.Has("MimeType"):
		return "opens files or links, but menus do not show it"
	}
	return "is exported, but menus do not show it"
}

// Entries returns the IDs of the entries that the plan adds and removes.
func (p *Plan) Entries(h *Host) (added, removed []string) {
	for _, step := range p.Steps {
		id, ok := strings.CutSuffix(path.Base(step.Path), ".desktop")
		switch {
		case !ok || path.Dir(step.Path) != h.DataHome+"/applications":
		case step.Op == Write:
			added = append(added, id)
		case step.Op == Remove:
			removed = append(removed, id)
		}
	}
	return added, removed
}

// MakesCommands reports whether the plan puts a command into Host.BinDir.
func (p *Plan) MakesCommands(h *Host) bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Op == Write && path.Dir(s.Path) == h.BinDir })
}

// Offer is an app of a chroot as it is listed for a person or a program.
type Offer struct {
	ID, Name string
	Program  string
	Icon     bool // it has one in the chroot
	Types    []string
	Shown    bool   // a menu of this desktop shows it
	Exported string // its ID in the host's menu, or ""
	Error    string `json:",omitempty"` // why its entry cannot be used
}

// ListOffers lists the apps of a chroot and what of them is exported.
func ListOffers(h *Host, root *rootfs.Root, set *Set) []Offer {
	icons := icon.Open(root)
	list := []Offer{}
	for _, a := range ListApps(root) {
		o := Offer{ID: a.ID, Exported: set.ExportedID(a.ID), Types: []string{}}
		if a.Err != nil {
			o.Error = a.Err.Error()
		} else {
			e := a.Entry
			o.Name, o.Program, o.Shown = e.Localised("Name", h.Locale), e.Program(), e.IsShown(h.Desktops)
			o.Icon = len(icons.Find(e.String("Icon"))) > 0
			o.Types = append(o.Types, e.List("MimeType")...)
		}
		list = append(list, o)
	}
	return list
}

// State says in a few words whether the app is exported.
func (o *Offer) State() string {
	switch {
	case o.Error != "":
		return "not possible: " + o.Error
	case o.Exported != "" && o.Exported != o.ID:
		return "as " + o.Exported
	case o.Exported != "":
		return "yes"
	case !o.Shown:
		return "no (hidden)"
	}
	return "no"
}

// Opens lists the types that the app opens, shortened to the first two if there
// are more than three.
func (o *Offer) Opens() string {
	switch n := len(o.Types); {
	case n == 0:
		return "-" // an empty cell would end the column
	case n > 3:
		return session.Printable(fmt.Sprintf("%s and %d more", strings.Join(o.Types[:2], " "), n-2))
	}
	return session.Printable(strings.Join(o.Types, " "))
}
