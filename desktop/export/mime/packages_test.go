package mime

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const head = `<?xml version="1.0"?><!DOCTYPE mime-info [<!ELEMENT mime-info (mime-type)+>]><mime-info xmlns='http://www.freedesktop.org/standards/shared-mime-info'>`

func isAny(string) bool { return true }

func (h *Host) convertPackage(data []byte, isNeeded func(string) bool) ([]byte, error) {
	p := h.NewPackage(isNeeded)
	err := p.Add(data)
	return p.Bytes(), err
}

func TestPackages(t *testing.T) {
	h := newHost(t, nil)
	m := Read(h.dirs)
	definition := func(children string) string {
		return head + `<mime-type type="application/x-new">` + children + `</mime-type></mime-info>`
	}
	for name, c := range map[string]struct{ in, want string }{
		"comments": {`<comment>New &amp; "fine"</comment><comment xml:lang="de">Neu</comment><acronym>NEW</acronym><expanded-acronym>N E W</expanded-acronym>`,
			"<comment>New &amp; &#34;fine&#34;</comment>|<comment xml:lang=\"de\">Neu</comment>|<acronym>NEW</acronym>|<expanded-acronym>N E W</expanded-acronym>"},
		"icons":                         {`<icon name="x-new"/><generic-icon name="image-x-generic"/><icon name="../../x"/><icon name=""/>`, `<icon name="x-new"/>|<generic-icon name="image-x-generic"/>`},
		"globs":                         {`<glob pattern="*.new" weight="90"/><glob pattern="*.low" weight="3"/><glob pattern="*.NEW2" case-sensitive="true"/><glob pattern="Newfile"/>`, `<glob pattern="*.new" weight="5"/>|<glob pattern="*.low" weight="3"/>|<glob pattern="*.NEW2" weight="5" case-sensitive="true"/>|<glob pattern="Newfile" weight="5"/>`},
		"globs of the host":             {`<glob pattern="*.pdf"/><glob pattern="*.PDF"/><glob pattern="*.my.html"/><glob pattern="*"/><glob pattern="*report.pdf"/><glob pattern="*.[ab]"/><glob pattern="Makefile"/><glob pattern="README.new"/><glob pattern="index.html"/><glob pattern=""/><glob/>`, ""},
		"rules about content":           {`<magic priority="99"><match type="string" value="%PDF" offset="0"/></magic><treemagic><treematch path="x"/></treemagic><root-XML namespaceURI="x" localName="y"/><glob-deleteall/><magic-deleteall/><comment>x</comment>`, "<comment>x</comment>"},
		"aliases":                       {`<alias type="application/pdf"/><alias type="application/acrobat"/><alias type="application/x-old-new"/><alias type="packages/x"/><alias type="a/../b"/>`, `<alias type="application/x-old-new"/>`},
		"parents":                       {`<sub-class-of type="text/plain"/><sub-class-of type="application/x-new"/><sub-class-of type="application/x-other"/>`, `<sub-class-of type="text/plain"/>`},
		"other namespaces and elements": {`<x:comment xmlns:x="y">x</x:comment><action/>`, ""},
		"elements in text":              {`<comment>a<b>b</b>c</comment>`, "<comment>abc</comment>"},
		"too long text":                 {`<comment>` + strings.Repeat("x", 2000) + `</comment>`, ""},
		"escaped elements":              {`<comment>&lt;/comment>&lt;magic/></comment>`, "<comment>&lt;/comment&gt;&lt;magic/&gt;</comment>"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := m.convertPackage([]byte(definition(c.in)), isAny)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for line := range strings.SplitSeq(string(out), "\n") {
				if strings.HasPrefix(line, "    ") {
					lines = append(lines, strings.TrimSpace(line))
				}
			}
			if got := strings.Join(lines, "|"); got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
			if again, err := m.convertPackage(out, isAny); err != nil || !bytes.Equal(again, out) {
				t.Errorf("converted again: %s %v", again, err)
			}
		})
	}
}

func TestRefusePackages(t *testing.T) {
	m := Read(newHost(t, nil).dirs)
	bomb := `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><mime-info xmlns="` + namespace + `"><mime-type type="application/x-new"><comment>&b;</comment></mime-type></mime-info>`
	var many strings.Builder
	for i := range 30000 {
		fmt.Fprintf(&many, `<mime-type type="application/x-new%d"><comment>x</comment></mime-type>`, i)
	}
	for name, in := range map[string]string{
		"an entity": bomb, "deep": head + strings.Repeat("<a>", 1<<20), "large": head + strings.Repeat(" ", maxPackage),
		"not closed": head + `<mime-type type="application/x-new">`, "another file": "<html/>", "no namespace": "<mime-info/>",
		"many": head + many.String() + "</mime-info>",
	} {
		if out, err := m.convertPackage([]byte(in), isAny); err == nil || out != nil {
			t.Errorf("%s: %d bytes", name, len(out))
		}
	}
	for name, in := range map[string]string{
		"known": `<mime-type type="application/pdf"><comment>x</comment></mime-type>`, "an alias": `<mime-type type="application/acrobat"/>`,
		"not needed": `<mime-type type="application/x-unneeded"/>`, "a directory": `<mime-type type="packages/x"/>`,
		"path to another directory": `<mime-type type="x-a/../../../x"/>`, "dot": `<mime-type type="text/.x"/>`, "none": `<mime-type/>`,
	} {
		if out, err := m.convertPackage([]byte(head+in+"</mime-info>"), func(t string) bool { return t != "application/x-unneeded" }); err != nil || out != nil {
			t.Errorf("%s: %s, %v", name, out, err)
		}
	}
}

// update-mime-database understands a package, and ListGenerated lists all that it
// makes.
func TestListGenerated(t *testing.T) {
	h := newHost(t, nil)
	dir := h.dirs.DataHome + "/mime"
	out, err := Read(h.dirs).convertPackage([]byte(head+`<mime-type type="application/x-new"><comment>New</comment><glob pattern="*.new"/><sub-class-of type="text/plain"/><alias type="application/x-old"/></mime-type></mime-info>`), isAny)
	if err != nil {
		t.Fatal(err)
	}
	h.write(map[string]string{"home/mime/packages/x.xml": string(out), "data1/applications/e.desktop": entry("prog"),
		"data1/applications/mimeinfo.cache": "[MIME Cache]\ntext/plain=e.desktop\n", "file.new": "text"})
	h.run("update-mime-database", dir)
	m := Read(h.dirs)
	if !m.types.knows("application/x-new") || !m.types.knows("application/x-old") {
		t.Error("the host does not know the new type")
	}
	h.compare(m, []string{"application/x-new", "application/x-old"})
	if info := h.run("gio", "info", "-a", "standard::content-type", h.dir+"/file.new"); !strings.Contains(info, "application/x-new") {
		t.Errorf("%s", info)
	}
	os.RemoveAll(dir + "/packages")
	for _, name := range ListGenerated(dir) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if err := os.Remove(dir); err != nil {
		t.Error(err)
	}
}

// The database of a distribution, for a host that has none.
func TestDistributionPackage(t *testing.T) {
	data, err := os.ReadFile("/usr/share/mime/packages/freedesktop.org.xml")
	if err != nil {
		t.Skip(err)
	}
	h := newHost(t, nil)
	os.Remove(h.dir + "/data2/mime")
	needed := []string{"application/pdf", "image/png", "text/x-python"}
	out, err := Read(h.dirs).convertPackage(data, func(t string) bool { return slices.Contains(needed, t) })
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "<magic") || strings.Count(string(out), "<mime-type") != 3 || !strings.Contains(string(out), `xml:lang="de"`) {
		t.Errorf("%.2000s", out)
	}
}

func FuzzPackages(f *testing.F) {
	f.Add([]byte(head + `<mime-type type="application/x-new"><comment xml:lang="de">x</comment><glob pattern="*.new" weight="7"/><alias type="a/b"/></mime-type></mime-info>`))
	m := &Host{systemTypes: &database{globs: map[string]bool{"*.pdf": true}, types: map[string]bool{"text/plain": true}}}
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := m.convertPackage(data, isAny)
		if err != nil || out == nil {
			return
		}
		if err := xml.Unmarshal(out, new(struct{})); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if bytes.Contains(out, []byte("<magic")) || bytes.Contains(out, []byte("deleteall")) {
			t.Fatalf("%s", out)
		}
		if again, err := m.convertPackage(out, isAny); err != nil || !bytes.Equal(again, out) {
			t.Fatalf("%v: %s\n%s", err, out, again)
		}
	})
}
