package mime

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Bounds of a package: what is beyond is refused, or left out.
const (
	maxPackage  = 4 << 20 // bytes read
	maxWritten  = 1 << 20 // bytes written
	maxDepth    = 32      // elements in each other
	maxChildren = 300     // elements kept of one type
	maxText     = 1000    // bytes of one attribute or comment
)

const namespace = "http://www.freedesktop.org/standards/shared-mime-info"

// Package is a file of mime/packages (shared-mime-info-spec 0.21) made of a
// chroot's, weakened so that it cannot change what any file is that the host
// already knows. Only types that are wanted and that the system's (not the
// user's) database lacks are kept; of those the comments in all languages,
// acronyms, icons, and globs that are a name or "*.suffix", name no file that
// the host has a glob for, and get weight 5 at most, as with Flatpak (the
// default is 50). Aliases that the host knows go, and parents that it does not
// know: they could make a circle. All rules about content go (magic,
// treemagic, root-XML), and what deletes other packages' rules. The name of a
// type is checked: update-mime-database makes a path of it.
type Package struct {
	host database
	want func(string) bool
	done map[string]bool
	in   *xml.Decoder
	out  bytes.Buffer
	// depth is that of the element just begun.
	depth int
}

// NewPackage begins one with the types that want is true for.
func (h *Host) NewPackage(want func(t string) bool) *Package {
	return &Package{host: h.system(), want: want, done: map[string]bool{}}
}

// Add takes what is wanted from a file of the chroot; of a type that more than
// one file has, the first. The error is the reason why nothing of the file is
// taken.
func (p *Package) Add(data []byte) error {
	if len(data) > maxPackage {
		return fmt.Errorf("it has more than %d bytes", maxPackage)
	}
	p.in, p.depth = xml.NewDecoder(bytes.NewReader(data)), 0
	before, done := p.out.Len(), maps.Clone(p.done)
	err := p.file()
	if err != nil {
		p.out.Truncate(before)
		p.done = done
	}
	return err
}

// Bytes is the file, nil when there is nothing in it.
func (p *Package) Bytes() []byte {
	if p.out.Len() == 0 {
		return nil
	}
	return slices.Concat([]byte(xml.Header+`<mime-info xmlns="`+namespace+`">`+"\n"), p.out.Bytes(), []byte("</mime-info>\n"))
}

// system is the database without the user's, in which earlier exports are.
func (h *Host) system() database {
	if h.sys == nil {
		d := readDatabase(h.dirs.DataDirs)
		h.sys = &d
	}
	return *h.sys
}

// next is the next element's start or end. Entities but XML's own five are an
// error, so none can grow; a DTD is skipped.
func (p *Package) next() (start *xml.StartElement, end bool, err error) {
	for {
		t, err := p.in.Token()
		if err != nil {
			return nil, false, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if p.depth++; p.depth > maxDepth {
				return nil, false, fmt.Errorf("elements are more than %d deep", maxDepth)
			}
			return &t, false, nil
		case xml.EndElement:
			p.depth--
			return nil, true, nil
		}
	}
}

func (p *Package) file() error {
	for {
		start, end, err := p.next()
		switch {
		case errors.Is(err, io.EOF) && p.depth == 0:
			return nil
		case err != nil:
			return err
		case end:
			continue
		case p.depth == 1 && (start.Name.Local != "mime-info" || start.Name.Space != namespace):
			return fmt.Errorf("it is no mime-info file, but <%s>", clip(start.Name.Local))
		case p.depth == 2 && start.Name.Local == "mime-type":
			err = p.mimeType(attribute(start, "type"))
		}
		if err == nil && p.out.Len() > maxWritten {
			err = fmt.Errorf("what is left of it has more than %d bytes", maxWritten)
		}
		if err != nil {
			return err
		}
	}
}

// mimeType reads to the end of a <mime-type>.
func (p *Package) mimeType(t string) error {
	keep := plainType(t) && !p.done[t] && p.want(t) && !p.host.knows(t)
	var kept []string
	for at := p.depth; ; {
		start, end, err := p.next()
		switch {
		case err != nil:
			return err
		case end && p.depth < at:
			if keep {
				p.done[t] = true
				fmt.Fprintf(&p.out, "  <mime-type type=%s>\n%s  </mime-type>\n", attr(t), strings.Join(kept, ""))
			}
			return nil
		case end || !keep || p.depth != at+1 || start.Name.Space != namespace:
			continue
		}
		line, err := p.child(t, start)
		if err != nil {
			return err
		}
		if line != "" && len(kept) < maxChildren {
			kept = append(kept, "    "+line+"\n")
		}
	}
}

// child is what is left of an element of a type, "" for nothing.
func (p *Package) child(t string, e *xml.StartElement) (string, error) {
	switch name := e.Name.Local; name {
	case "comment", "acronym", "expanded-acronym":
		text, err := p.text()
		if err != nil || text == "" {
			return "", err
		}
		if lang := attribute(e, "lang"); lang != "" {
			return fmt.Sprintf("<%s xml:lang=%s>%s</%s>", name, attr(lang), escape(text), name), nil
		}
		return fmt.Sprintf("<%s>%s</%s>", name, escape(text), name), nil
	case "icon", "generic-icon":
		if icon := attribute(e, "name"); icon != "" && !strings.ContainsFunc(icon, notName) {
			return fmt.Sprintf("<%s name=%s/>", name, attr(icon)), nil
		}
	case "glob":
		return p.glob(e), nil
	case "sub-class-of":
		if parent := attribute(e, "type"); p.host.knows(parent) && !slices.Contains(p.host.lineage(parent), t) {
			return fmt.Sprintf("<sub-class-of type=%s/>", attr(parent)), nil
		}
	case "alias":
		if a := attribute(e, "type"); plainType(a) && a != t && !p.host.knows(a) && !p.host.isParent(a) {
			return fmt.Sprintf("<alias type=%s/>", attr(a)), nil
		}
	}
	return "", nil
}

func (p *Package) glob(e *xml.StartElement) string {
	pattern := attribute(e, "pattern")
	name := strings.TrimPrefix(pattern, "*.")
	if name == "" || strings.ContainsAny(name, "*?[]/:\n") || p.host.hasGlobFor(pattern) {
		return ""
	}
	weight := attribute(e, "weight")
	if len(weight) != 1 || weight < "0" || weight > "5" {
		weight = "5"
	}
	sensitive := ""
	if attribute(e, "case-sensitive") == "true" {
		sensitive = ` case-sensitive="true"`
	}
	return fmt.Sprintf("<glob pattern=%s weight=%q%s/>", attr(pattern), weight, sensitive)
}

// text is that of the element just begun, to its end; "" when it is too long.
func (p *Package) text() (string, error) {
	var text []byte
	for at := p.depth; p.depth >= at; {
		t, err := p.in.Token()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if p.depth++; p.depth > maxDepth {
				return "", fmt.Errorf("elements are more than %d deep", maxDepth)
			}
		case xml.EndElement:
			p.depth--
		case xml.CharData:
			if len(text) <= maxText {
				text = append(text, t[:min(len(t), maxText+1)]...)
			}
		}
	}
	if len(text) > maxText {
		return "", nil
	}
	return strings.TrimSpace(string(text)), nil
}

// attribute is "" also for one that is too long.
func attribute(e *xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name && len(a.Value) <= maxText {
			return a.Value
		}
	}
	return ""
}

// plainType says whether t may name a file below the host's mime/: it becomes
// KIND/SUB.xml there.
func plainType(t string) bool {
	kind, sub, _ := strings.Cut(t, "/")
	return len(t) < 200 && isValidType(t) && !strings.ContainsFunc(kind+sub, notName) && sub[0] != '.'
}

func notName(r rune) bool { return !isWord(r) && r != '.' && r != '+' }

func escape(s string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(s)) // cannot fail: it is memory
	return b.String()
}

func attr(s string) string { return `"` + escape(s) + `"` }

func clip(s string) string { return s[:min(len(s), 40)] }

func (d database) isParent(t string) bool {
	for _, parents := range d.parents {
		if slices.Contains(parents, t) {
			return true
		}
	}
	return slices.Contains(slices.Collect(maps.Values(d.aliases)), t)
}
