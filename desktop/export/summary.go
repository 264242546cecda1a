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

// Summarize says what plan changes on h. Everything is said about the apps named
// now; about the others only if they change. With detail every step is listed.
func Summarize(h *Host, plan *Plan, named []string, detail bool) Summary {
	s := Summary{Idle: true}
	changed := map[string]bool{}
	var refused []error
	for _, step := range plan.Steps {
		s.Idle = s.Idle && step.Op == Keep
		inBin := path.Dir(step.Path) == h.BinDir
		foreign := step.Op == Keep && step.Why == Foreign && inBin
		if foreign {
			name := session.Quote(path.Base(step.Path))
			refused = append(refused, &Error{"export", name, step.Path + " exists: " + step.Why.String(),
				"if it belongs to another chroot: chrunctl unexport NAME --bin " + name})
		}
		switch id, isEntry := strings.CutSuffix(path.Base(step.Path), ".desktop"); {
		case detail:
			s.Changes = append(s.Changes, session.Printable(strings.TrimSpace(string(step.Op)+" "+step.Path+"  "+step.Why.String())))
		case foreign: // that is an error
		case step.Op == Keep:
			s.Notes = append(s.Notes, fmt.Sprintf("%s stays as it is: %s", session.Printable(step.Path), step.Why))
		case isEntry:
			changed[id] = true
			s.Changes = append(s.Changes, session.Printable(id)+" "+plan.describeEntry(h, step))
		case inBin:
			s.Changes = append(s.Changes, step.Path+" "+map[Op]string{Write: "was made", Replace: "has changed", Remove: "was removed"}[step.Op])
		}
	}
	for _, n := range plan.Notes {
		isNamed, exportedID := slices.Contains(named, n.ID), plan.IDs[n.ID]
		if n.Refusal != "" && isNamed {
			refused = append(refused, &Error{"export", session.Quote(n.ID), session.Printable(n.Refusal), ""})
			continue
		}
		if detail || changed[exportedID] || exportedID == "" && (!s.Idle || isNamed) {
			s.Notes = append(s.Notes, session.Printable(strings.TrimSpace(n.ID+" "+n.Text)))
		}
	}
	s.Refused = errors.Join(refused...)
	return s
}

// describeEntry says what became of a desktop entry.
func (p *Plan) describeEntry(h *Host, step Step) string {
	switch {
	case step.Op == Replace:
		return "has changed"
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
