package entry

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// RewriteOptions says how an entry of a chroot becomes one of the host.
type RewriteOptions struct {
	ID       string // of the exported file, without ".desktop"
	OriginalID string // in the chroot, without ".desktop"
	Launcher string // absolute path of chrun
	Chroot   string // its NAME
	Label    string // put behind the shown names in every language; may be ""
	// MapIcon gives the exported name of an icon; "" leaves the key out.
	MapIcon func(name string) string
	// KeepType says whether a type in MimeType stays; nil keeps all.
	KeepType func(t string) bool
	// HasService says that the D-HasService service of ID is exported too.
	HasService bool
}

// Rewrite makes the entry one of the host's, and says what it leaves out. The
// error says why it refuses.
func (e *Entry) Rewrite(r RewriteOptions) (*Entry, []Dropped, error) {
	w := rewriter{r: r, out: &Entry{head: e.head}, dropped: slices.Clone(e.repairs)}
	main := &e.groups[0]
	switch t := e.String("Type"); {
	case t == "":
		return nil, nil, errors.New("it has no Type")
	case t != "Application":
		return nil, nil, fmt.Errorf("it is of type %.50s, not Application", t)
	case e.String("Name") == "":
		return nil, nil, errors.New("it has no Name")
	case e.String("Encoding") == "Legacy-Mixed":
		return nil, nil, errors.New("its encoding is Legacy-Mixed, not UTF-8")
	}
	w.path = e.String("Path")
	w.bus = r.HasService && e.Bool("DBusActivatable")
	if _, ok := main.get("Exec"); !ok && !w.bus {
		if e.Bool("DBusActivatable") {
			return nil, nil, errors.New("it is started by D-Bus alone, and has no Exec in its place")
		}
		return nil, nil, errors.New("it has no Exec")
	}
	w.actions = e.List("Actions")
	if err := w.groups(e); err != nil {
		return nil, nil, err
	}
	g := &w.out.groups[0]
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
	bus           bool
	actions, kept []string
}

func (w *rewriter) drop(group, key, why string) {
	w.dropped = append(w.dropped, Dropped{group, key, why})
}

// groups rewrites all groups; actions that are not kept are not in Actions.
func (w *rewriter) groups(e *Entry) error {
	for i := range e.groups {
		g := &e.groups[i]
		action, isAction := strings.CutPrefix(g.name, actionPrefix)
		switch {
		case i == 0:
		case !isAction:
			w.drop(g.name, "", "no group of the specification")
			continue
		case !slices.Contains(w.actions, action):
			w.drop(g.name, "", "Actions does not name it")
			continue
		default:
			if why := w.badAction(g); why != "" {
				w.drop(g.name, "", why)
				continue
			}
		}
		out, err := w.group(g, isAction)
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
		if e.group(actionPrefix+a) == nil {
			w.drop(mainGroup, "Actions", fmt.Sprintf("%.50q has no group", a))
		}
	}
	// In the order of Actions.
	order := map[string]int{}
	for i, a := range w.actions {
		order[a] = i
	}
	slices.SortFunc(w.kept, func(a, b string) int { return order[a] - order[b] })
	return nil
}

func (w *rewriter) badAction(g *group) string {
	if v, _ := g.get("Name"); v == "" {
		return "it has no Name"
	}
	if _, ok := g.get("Exec"); !ok && !w.bus {
		return "it has no Exec"
	}
	return ""
}

func (w *rewriter) group(g *group, action bool) (*group, error) {
	out := &group{name: g.name}
	for _, l := range g.lines {
		if l.key == "" {
			out.lines = append(out.lines, l)
			continue
		}
		value, err := w.line(g.name, l, action)
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

// line is the new value of a line; nil leaves it out.
func (w *rewriter) line(group string, l line, action bool) (value *string, err error) {
	known := keys[l.key] || harmless[l.key]
	if action {
		known = actionKeys[l.key] || harmless[l.key]
	}
	switch {
	case !known:
		reason := dropReasons[l.key]
		if reason == "" {
			reason = "not a key of the specification, nor one that is known to be harmless"
		}
		w.drop(group, l.name(), reason)
		return nil, nil
	case l.locale != "" && !localisable[l.key]:
		w.drop(group, l.name(), "the key has no translations")
		return nil, nil
	}
	v := l.value
	switch l.key {
	case "Exec":
		v, err = w.exec(v)
		return &v, err
	case "Name", "X-GNOME-FullName": // which GLib shows in its place
		if !action {
			v += escape("x" + w.r.Label)[1:] // no \s: it is not at the front
		}
	case "Icon":
		if v = escape(w.r.MapIcon(unescape(v))); v == "" {
			w.drop(group, l.name(), "the chroot has no such icon")
			return nil, nil
		}
	case "Path":
		return nil, nil // it is -C in Exec
	case "DBusActivatable":
		if !w.bus {
			if unescape(v) == "true" {
				w.drop(group, l.name(), "its D-Bus service is not exported: Exec serves")
			}
			return nil, nil
		}
	case "MimeType":
		if v = w.types(group, v); v == "" {
			return nil, nil
		}
	}
	return &v, nil
}

// exec is the line that runs the program in the chroot.
func (w *rewriter) exec(value string) (string, error) {
	words, err := ParseExec(value)
	if err != nil {
		return "", err
	}
	// Where the file lies on the host means nothing inside.
	words = slices.DeleteFunc(words, func(word Word) bool { return word == "%k" })
	return FormatExec(append(LaunchCommand(w.r.Launcher, w.r.Chroot, w.r.ID, w.path), guard(words)...)), nil
}

// LaunchCommand are the words before a program's own: chrun, and what is to be known
// of the launch. dir is where it runs, or "".
func LaunchCommand(launcher, chroot, id, dir string) []Word {
	words := Literal(launcher, "-c", chroot, "--app", id)
	if dir != "" {
		words = append(words, Literal("-C", dir)...)
	}
	return words
}

// guard keeps a program that is called like an option from being one.
func guard(words []Word) []Word {
	if strings.HasPrefix(string(words[0]), "-") {
		return append([]Word{"--"}, words...)
	}
	return words
}

// types is the value of MimeType with the types that stay.
func (w *rewriter) types(group, value string) string {
	var kept []string
	for _, t := range splitList(value) {
		switch {
		case !validType(t):
			w.drop(group, "MimeType", fmt.Sprintf("%.80q is no type", t))
		case slices.Contains(kept, t):
		case w.r.KeepType == nil || w.r.KeepType(t):
			kept = append(kept, t)
		}
	}
	return joinList(kept)
}

// validType says whether t is TYPE/SUBTYPE (RFC 6838, 4.2).
func validType(t string) bool {
	media, sub, ok := strings.Cut(t, "/")
	first := func(s string) bool { return s != "" && hasOnly(s[:1], "") }
	return ok && first(media) && first(sub) && len(t) < 256 && hasOnly(media, "!#$&-^_.+") && hasOnly(sub, "!#$&-^_.+")
}

// New makes an entry for a program that has none.
func New(name, icon string, exec []Word) (*Entry, error) {
	text := "[Desktop Entry]\nType=Application\nName=" + escape(name) + "\n"
	if icon != "" {
		text += "Icon=" + escape(icon) + "\n"
	}
	return Parse([]byte(text + "Exec=" + FormatExec(exec) + "\n"))
}
