package entry

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// RewriteOptions describe the entry of the host that Rewrite makes from an entry
// of a chroot.
type RewriteOptions struct {
	ID         string // of the exported file, without ".desktop"
	OriginalID string // in the chroot, without ".desktop"
	Source     string // path of the entry in the chroot; may be ""
	Launcher   string // absolute path of chrun
	Chroot     string // its name
	Label      string // follows the names in every language; may be ""
	// MapIcon returns the exported name of an icon, or "" to leave it out.
	MapIcon func(name string) string
	// KeepType reports whether to keep a type in MimeType. Nil keeps all.
	KeepType func(t string) bool
	// HasService means that the D-Bus service of ID is exported too.
	HasService bool
}

// Rewrite makes an entry of the host from e, and returns what it left out. The
// error is the reason why e cannot be an entry of the host.
func (e *Entry) Rewrite(r RewriteOptions) (*Entry, []Dropped, error) {
	w := rewriter{r: r, out: &Entry{header: e.header}, dropped: slices.Clone(e.repairs)}
	main := &e.groups[0]
	switch t := e.String("Type"); {
	case t == "":
		return nil, nil, errors.New("it has no Type")
	case t != "Application":
		return nil, nil, fmt.Errorf("it is of type %.50s, not Application", t)
	case e.String("Encoding") == "Legacy-Mixed":
		return nil, nil, errors.New("its encoding is Legacy-Mixed, not UTF-8")
	}
	w.path = e.String("Path")
	w.keepsService = r.HasService && e.Bool("DBusActivatable")
	if _, ok := main.get("Exec"); !ok && !w.keepsService {
		if e.Bool("DBusActivatable") {
			return nil, nil, errors.New("it can only be started by D-Bus, since it has no Exec")
		}
		if slices.Contains(e.repairs, Dropped{mainGroup, "Exec", notText}) {
			return nil, nil, errors.New("Exec contains control characters or is not UTF-8")
		}
		return nil, nil, errors.New("it has no Exec")
	}
	w.actions = e.List("Actions")
	if err := w.rewriteGroups(e); err != nil {
		return nil, nil, err
	}
	g := &w.out.groups[0]
	if e.String("Name") == "" {
		w.drop(mainGroup, "Name", "menus show its ID, since it has no name that is text")
		g.set("Name", escape(r.OriginalID+r.Label))
	}
	g.set("TryExec", escape(r.Launcher))
	if r.ID != r.OriginalID && !e.Has("StartupWMClass") {
		g.set("StartupWMClass", escape(r.OriginalID))
	}
	g.lines = slices.DeleteFunc(g.lines, func(l line) bool { return l.key == "Actions" && len(w.kept) == 0 })
	if len(w.kept) > 0 {
		g.set("Actions", joinList(w.kept))
	}
	return w.out, w.dropped, nil
}

type rewriter struct {
	r             RewriteOptions
	out           *Entry
	dropped       []Dropped
	path          string
	keepsService  bool
	actions, kept []string
}

func (w *rewriter) drop(group, key, why string) {
	w.dropped = append(w.dropped, Dropped{group, key, why})
}

// rewriteGroups rewrites all groups and lists the actions that it keeps.
func (w *rewriter) rewriteGroups(e *Entry) error {
	for i := range e.groups {
		g := &e.groups[i]
		action, isAction := strings.CutPrefix(g.name, actionPrefix)
		switch {
		case i == 0:
		case !isAction:
			w.drop(g.name, "", "the specification does not have this group")
			continue
		case !slices.Contains(w.actions, action):
			w.drop(g.name, "", "Actions does not name it")
			continue
		default:
			if why := w.checkAction(g); why != "" {
				w.drop(g.name, "", why)
				continue
			}
		}
		out, err := w.rewriteGroup(g, isAction)
		switch {
		case err != nil && isAction:
			w.drop(g.name, "", err.Error())
			continue
		case err != nil:
			return err
		}
		if isAction {
			w.kept = append(w.kept, action)
		}
		w.out.groups = append(w.out.groups, *out)
	}
	for _, a := range w.actions {
		if e.findGroup(actionPrefix+a) == nil {
			w.drop(mainGroup, "Actions", fmt.Sprintf("%.50q has no group", a))
		}
	}
	order := map[string]int{} // of Actions
	for i, a := range w.actions {
		order[a] = i
	}
	slices.SortFunc(w.kept, func(a, b string) int { return order[a] - order[b] })
	return nil
}

func (w *rewriter) checkAction(g *group) string {
	if v, _ := g.get("Name"); v == "" {
		return "it has no Name"
	}
	if _, ok := g.get("Exec"); !ok && !w.keepsService {
		return "it has no Exec"
	}
	return ""
}

func (w *rewriter) rewriteGroup(g *group, action bool) (*group, error) {
	out := &group{name: g.name}
	for _, l := range g.lines {
		if l.key == "" {
			out.lines = append(out.lines, l)
			continue
		}
		value, err := w.rewriteLine(g.name, l, action)
		if err != nil {
			return nil, err
		}
		if value != nil {
			l.value = *value
			out.lines = append(out.lines, l)
		}
	}
	return out, nil
}

// rewriteLine returns the new value of a line, or nil to leave it out.
func (w *rewriter) rewriteLine(group string, l line, action bool) (value *string, err error) {
	known := keys[l.key] || harmless[l.key]
	if action {
		known = actionKeys[l.key] || harmless[l.key]
	}
	switch {
	case !known:
		reason := dropReasons[l.key]
		if reason == "" {
			reason = "it is not in the specification, and not known to be harmless"
		}
		w.drop(group, l.name(), reason)
		return nil, nil
	case l.locale != "" && !localisable[l.key]:
		w.drop(group, l.name(), "the key cannot be translated")
		return nil, nil
	}
	v := l.value
	switch l.key {
	case "Exec":
		v, err = w.rewriteExec(group, v)
		return &v, err
	case "Name", "X-GNOME-FullName": // GLib shows the latter instead of Name
		if !action {
			v += escape("x" + w.r.Label)[1:] // without the \s of a space at the front
		}
	case "Icon":
		if v = escape(w.r.MapIcon(unescape(v))); v == "" {
			w.drop(group, l.name(), "the icon cannot be exported")
			return nil, nil
		}
	case "Path":
		return nil, nil // Exec has it as -C
	case "DBusActivatable":
		if !w.keepsService {
			if unescape(v) == "true" {
				w.drop(group, l.name(), "its D-Bus service is not exported, so it is started with Exec")
			}
			return nil, nil
		}
	case "MimeType":
		if v = w.rewriteTypes(group, v); v == "" {
			return nil, nil
		}
	}
	return &v, nil
}

// rewriteExec returns the command that runs the program in the chroot.
func (w *rewriter) rewriteExec(group, value string) (string, error) {
	words, dropped, err := ParseExec(value)
	if err != nil {
		return "", err
	}
	for _, d := range dropped {
		w.drop(group, d.Key, d.Why)
	}
	words = replaceLocation(words, w.r.Source)
	return FormatExec(append(LaunchCommand(w.r.Launcher, w.r.Chroot, w.r.ID, w.path), protectDash(words)...)), nil
}

// LaunchCommand returns the words before those of the program: chrun and its
// options. dir is the working directory, or "".
func LaunchCommand(launcher, chroot, id, dir string) []Word {
	words := Literal(launcher, "-c", chroot, "--app", id)
	if dir != "" {
		words = append(words, Literal("-C", dir)...)
	}
	return words
}

// protectDash keeps a program whose name looks like an option from being parsed as
// one.
func protectDash(words []Word) []Word {
	if strings.HasPrefix(string(words[0]), "-") {
		return append([]Word{"--"}, words...)
	}
	return words
}

// rewriteTypes returns the value of MimeType with the types that are kept.
func (w *rewriter) rewriteTypes(group, value string) string {
	var kept []string
	for _, t := range splitList(value) {
		switch {
		case !isValidType(t):
			w.drop(group, "MimeType", fmt.Sprintf("%.80q is not a valid type", t))
		case slices.Contains(kept, t):
		case w.r.KeepType == nil || w.r.KeepType(t):
			kept = append(kept, t)
		}
	}
	return joinList(kept)
}

// isValidType reports whether t is TYPE/SUBTYPE (RFC 6838, 4.2).
func isValidType(t string) bool {
	media, sub, ok := strings.Cut(t, "/")
	first := func(s string) bool { return s != "" && hasOnly(s[:1], "") }
	return ok && first(media) && first(sub) && len(t) < 256 && hasOnly(media, "!#$&-^_.+") && hasOnly(sub, "!#$&-^_.+")
}

// New returns an entry for a program that has none.
func New(name, icon string, exec []Word) (*Entry, error) {
	text := "[Desktop Entry]\nType=Application\nName=" + escape(name) + "\n"
	if icon != "" {
		text += "Icon=" + escape(icon) + "\n"
	}
	return Parse([]byte(text + "Exec=" + FormatExec(exec) + "\n"))
}
