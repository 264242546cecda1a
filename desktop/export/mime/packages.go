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

// Limits of a package. A file beyond the first three is refused; children and text
// beyond the others are left out.
const (
	maxPackage  = 4 << 20 // bytes read
	maxWritten  = 1 << 20 // bytes written
	maxDepth    = 32      // nested elements
	maxChildren = 300     // elements of one type
	maxText     = 1000    // bytes of one attribute or comment
)

const namespace = "http://www.freedesktop.org/standards/shared-mime-info"

// Package is a file for mime/packages (shared-mime-info-spec 0.21), made from a
// chroot's files and restricted so that it cannot change the type of any file that
// the host already knows.
//
// It keeps only types that the caller needs and that the system's database (not
// the user's) lacks. Of these it keeps comments in all languages, acronyms, icons,
// and globs that are a name or "*.suffix" and match no file for which the host has
// a glob. Globs get weight 5 at most, as in Flatpak (the default is 50). It leaves
// out aliases that the host knows, parents that the host does not know, since they
// could form a circle, all rules about content (magic, treemagic, root-XML), and
// what deletes rules of other packages. It checks the names of types, because
// update-mime-database makes paths of them.
type Package struct {
	host     database
	isNeeded func(t string) bool
	done     map[string]bool // types
	in       *xml.Decoder
	out      bytes.Buffer
	depth    int // of the current element
}

// NewPackage returns an empty package for the types that isNeeded accepts.
func (h *Host) NewPackage(isNeeded func(t string) bool) *Package {
	return &Package{host: h.readSystemTypes(), isNeeded: isNeeded, done: map[string]bool{}}
}

// Add adds the needed types of a file of the chroot that earlier files do not
// have. If it returns an error, it has added nothing.
func (p *Package) Add(data []byte) error {
	if len(data) > maxPackage {
		return fmt.Errorf("it has more than %d bytes", maxPackage)
	}
	p.in, p.depth = xml.NewDecoder(bytes.NewReader(data)), 0
	before, done := p.out.Len(), maps.Clone(p.done)
	err := p.convertFile()
	if err != nil {
		p.out.Truncate(before)
		p.done = done
	}
	return err
}

// Bytes returns the file, or nil if it has no type.
func (p *Package) Bytes() []byte {
	if p.out.Len() == 0 {
		return nil
	}
	return slices.Concat([]byte(xml.Header+`<mime-info xmlns="`+namespace+`">`+"\n"), p.out.Bytes(), []byte("</mime-info>\n"))
}

// readSystemTypes returns the database without that of the user, which contains
// earlier exports.
func (h *Host) readSystemTypes() database {
	if h.systemTypes == nil {
		d := readDatabase(h.failures, h.dirs.DataDirs)
		h.systemTypes = &d
	}
	return *h.systemTypes
}

// nextElement returns the start or the end of the next element. It skips a DTD.
// Entities except the five of XML are an error, so text cannot grow by them.
func (p *Package) nextElement() (start *xml.StartElement, end bool, err error) {
	for {
		t, err := p.in.Token()
		if err != nil {
			return nil, false, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if p.depth++; p.depth > maxDepth {
				return nil, false, fmt.Errorf("elements are nested more than %d levels deep", maxDepth)
			}
			return &t, false, nil
		case xml.EndElement:
			p.depth--
			return nil, true, nil
		}
	}
}

func (p *Package) convertFile() error {
	for {
		start, end, err := p.nextElement()
		switch {
		case errors.Is(err, io.EOF) && p.depth == 0:
			return nil
		case err != nil:
			return err
		case end:
			continue
		case p.depth == 1 && (start.Name.Local != "mime-info" || start.Name.Space != namespace):
			return fmt.Errorf("it is not a mime-info file but <%s>", shorten(start.Name.Local))
		case p.depth == 2 && start.Name.Local == "mime-type":
			err = p.convertType(getAttr(start, "type"))
		}
		if err == nil && p.out.Len() > maxWritten {
			err = fmt.Errorf("its types need more than %d bytes", maxWritten)
		}
		if err != nil {
			return err
		}
	}
}

// convertType reads to the end of a <mime-type> and writes what is kept of it.
func (p *Package) convertType(t string) error {
	keep := isSafeType(t) && !p.done[t] && p.isNeeded(t) && !p.host.knows(t)
	var kept []string
	for depth := p.depth; ; {
		start, end, err := p.nextElement()
		switch {
		case err != nil:
			return err
		case end && p.depth < depth:
			if keep {
				p.done[t] = true
				fmt.Fprintf(&p.out, "  <mime-type type=%s>\n%s  </mime-type>\n", quoteAttr(t), strings.Join(kept, ""))
			}
			return nil
		case end || !keep || p.depth != depth+1 || start.Name.Space != namespace:
			continue
		}
		line, err := p.convertChild(t, start)
		if err != nil {
			return err
		}
		if line != "" && len(kept) < maxChildren {
			kept = append(kept, "    "+line+"\n")
		}
	}
}

// convertChild returns what is kept of an element of a type, or "".
func (p *Package) convertChild(t string, e *xml.StartElement) (string, error) {
	switch name := e.Name.Local; name {
	case "comment", "acronym", "expanded-acronym":
		text, err := p.readText()
		if err != nil || text == "" {
			return "", err
		}
		if lang := getAttr(e, "lang"); lang != "" {
			return fmt.Sprintf("<%s xml:lang=%s>%s</%s>", name, quoteAttr(lang), escape(text), name), nil
		}
		return fmt.Sprintf("<%s>%s</%s>", name, escape(text), name), nil
	case "icon", "generic-icon":
		if icon := getAttr(e, "name"); icon != "" && !strings.ContainsFunc(icon, isNotNameChar) {
			return fmt.Sprintf("<%s name=%s/>", name, quoteAttr(icon)), nil
		}
	case "glob":
		return p.convertGlob(e), nil
	case "sub-class-of":
		if parent := getAttr(e, "type"); p.host.knows(parent) && !slices.Contains(p.host.lineage(parent), t) {
			return fmt.Sprintf("<sub-class-of type=%s/>", quoteAttr(parent)), nil
		}
	case "alias":
		if a := getAttr(e, "type"); isSafeType(a) && a != t && !p.host.knows(a) && !p.host.isParent(a) {
			return fmt.Sprintf("<alias type=%s/>", quoteAttr(a)), nil
		}
	}
	return "", nil
}

func (p *Package) convertGlob(e *xml.StartElement) string {
	pattern := getAttr(e, "pattern")
	name := strings.TrimPrefix(pattern, "*.")
	if name == "" || strings.ContainsAny(name, "*?[]/:\n") || p.host.hasGlobFor(pattern) {
		return ""
	}
	weight := getAttr(e, "weight")
	if len(weight) != 1 || weight < "0" || weight > "5" {
		weight = "5"
	}
	sensitive := ""
	if getAttr(e, "case-sensitive") == "true" {
		sensitive = ` case-sensitive="true"`
	}
	return fmt.Sprintf("<glob pattern=%s weight=%q%s/>", quoteAttr(pattern), weight, sensitive)
}

// readText returns the text of the current element, or "" if it is too long.
func (p *Package) readText() (string, error) {
	var text []byte
	for depth := p.depth; p.depth >= depth; {
		t, err := p.in.Token()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if p.depth++; p.depth > maxDepth {
				return "", fmt.Errorf("elements are nested more than %d levels deep", maxDepth)
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

// getAttr returns "" for an attribute that is missing or too long.
func getAttr(e *xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name && len(a.Value) <= maxText {
			return a.Value
		}
	}
	return ""
}

// isSafeType reports whether t may become the path KIND/SUB.xml below the host's
// mime/.
func isSafeType(t string) bool {
	kind, sub, _ := strings.Cut(t, "/")
	return len(t) < 200 && isValidType(t) && !strings.ContainsFunc(kind+sub, isNotNameChar) && sub[0] != '.'
}

func isNotNameChar(r rune) bool { return !isWord(r) && r != '.' && r != '+' }

func escape(s string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(s)) // a buffer returns no errors
	return b.String()
}

func quoteAttr(s string) string { return `"` + escape(s) + `"` }

func shorten(s string) string { return s[:min(len(s), 40)] }

func (d database) isParent(t string) bool {
	for _, parents := range d.parents {
		if slices.Contains(parents, t) {
			return true
		}
	}
	return slices.Contains(slices.Collect(maps.Values(d.aliases)), t)
}
