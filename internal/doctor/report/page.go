package report

import (
	"fmt"
	"slices"
	"strings"
)

const pageHead = `# When something does not work

Put ` + "`--doctor`" + ` before the command that does not work: ` + "`chrun --doctor -c NAME firefox`" + `. It tries everything from inside, in a second, changes nothing, and says what to type. ` + "`chrunctl doctor NAME`" + ` does the same for no particular program. This page is made of the doctor's own table. NAME is your chroot; the packages are those of Debian, and services are started by systemd: the doctor writes what your systems have.

`

// Page is docs/troubleshooting.md: all faults by what a person sees.
func Page() string {
	var b strings.Builder
	b.WriteString(pageHead)
	var topics []string
	for _, f := range Faults {
		if !slices.Contains(topics, f.Topic) {
			topics = append(topics, f.Topic)
		}
	}
	for _, topic := range topics {
		fmt.Fprintf(&b, "- [%s](#%s)\n", topic, anchor(topic))
	}
	for _, topic := range topics {
		fmt.Fprintf(&b, "\n## %s\n", topic)
		for _, f := range Faults {
			if f.Topic == topic {
				f.write(&b)
			}
		}
	}
	return b.String()
}

// write writes one fault.
func (f *Fault) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n**%s** %s\n", f.Sees, f.Why)
	if line := f.example(); line != "" {
		fmt.Fprintf(b, "\n```sh\n%s\n```\n", line)
	}
}

// example is the command with names in capitals for what only the doctor knows.
func (f *Fault) example() string {
	c := Context{Chrun: "chrun -c NAME", Root: "sudo chrun -c NAME -u root", Distribution: "debian", Host: "debian", Services: documented}
	line := c.expand(f.Command, nil)
	for {
		before, rest, found := strings.Cut(line, "{")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			return line
		}
		if before == "" && after == "" {
			return "" // the command is the doctor's finding as a whole
		}
		line = before + strings.ToUpper(name) + after
	}
}

// anchor is the name that Markdown viewers give a heading.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-':
			return r
		}
		return -1
	}, strings.ToLower(heading))
}
