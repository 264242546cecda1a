package mime

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
)

const namespace = "http://www.freedesktop.org/standards/shared-mime-info"

// Definition is a mime-type of a package, with what may pass from a chroot.
type Definition struct {
	Type     string `xml:"type,attr"`
	Comments []struct {
		Lang string `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
		Text string `xml:",chardata"`
	} `xml:"comment"`
	Globs []struct {
		Pattern string `xml:"pattern,attr"`
		Case    string `xml:"case-sensitive,attr"`
	} `xml:"glob"`
	Parents []struct {
		Type string `xml:"type,attr"`
	} `xml:"sub-class-of"`
	Icon    *named `xml:"icon"`
	Generic *named `xml:"generic-icon"`
}

type named struct {
	Name string `xml:"name,attr"`
}

const (
	maxTypes = 5000
	weight   = 5 // of 0 to 100; 50 is usual, so that the host's own globs win
)

// Types reads the Definitions in a file of mime/packages of those types that
// want says.
func Types(data []byte, want func(t string) bool) ([]Definition, error) {
	var found []Definition
	d := xml.NewDecoder(bytes.NewReader(data))
	for n := 0; ; {
		token, err := d.Token()
		if err == io.EOF {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "mime-type" {
			continue
		}
		if n++; n > maxTypes {
			return nil, fmt.Errorf("more than %d types", maxTypes)
		}
		if i := slices.IndexFunc(start.Attr, func(a xml.Attr) bool { return a.Name.Local == "type" }); i < 0 || !want(start.Attr[i].Value) {
			if err := d.Skip(); err != nil {
				return nil, err
			}
			continue
		}
		var t Definition
		if err := d.DecodeElement(&t, &start); err != nil {
			return nil, err
		}
		found = append(found, t)
	}
}

// Package is a file of mime/packages with the Definitions, weakened so that they
// take no file from a type of the host: without magic, aliases and the names of
// single files; nil without any. The host's own globs are stronger.
func Package(types []Definition) []byte {
	if len(types) == 0 {
		return nil
	}
	var b bytes.Buffer
	b.WriteString(xml.Header + "<mime-info xmlns=\"" + namespace + "\">\n")
	for _, t := range types {
		fmt.Fprintf(&b, "  <mime-type type=%s>\n", attr(t.Type))
		for _, c := range t.Comments {
			lang := ""
			if c.Lang != "" {
				lang = " xml:lang=" + attr(c.Lang)
			}
			b.WriteString("    <comment" + lang + ">")
			xml.EscapeText(&b, []byte(c.Text))
			b.WriteString("</comment>\n")
		}
		for _, p := range t.Parents {
			fmt.Fprintf(&b, "    <sub-class-of type=%s/>\n", attr(p.Type))
		}
		if t.Icon != nil {
			fmt.Fprintf(&b, "    <icon name=%s/>\n", attr(t.Icon.Name))
		}
		if t.Generic != nil {
			fmt.Fprintf(&b, "    <generic-icon name=%s/>\n", attr(t.Generic.Name))
		}
		for _, g := range t.Globs {
			if ext, ok := strings.CutPrefix(g.Pattern, "*."); !ok || ext == "" || strings.ContainsAny(ext, "*?[]") {
				continue
			}
			cased := ""
			if g.Case == "true" {
				cased = ` case-sensitive="true"`
			}
			fmt.Fprintf(&b, "    <glob pattern=%s weight=\"%d\"%s/>\n", attr(g.Pattern), weight, cased)
		}
		b.WriteString("  </mime-type>\n")
	}
	b.WriteString("</mime-info>\n")
	return b.Bytes()
}

func attr(s string) string {
	var b bytes.Buffer
	b.WriteByte('"')
	xml.EscapeText(&b, []byte(s))
	b.WriteByte('"')
	return b.String()
}
