package session

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Text returns the plan for people, with the reason for every line.
func (p *Plan) Text() string {
	w := &textWriter{}
	w.summary(p)
	w.head("features")
	for _, f := range p.Features {
		w.printf("  %-14s %s\n", f.Feature, f.State)
	}
	w.changes(p)
	w.head("mounts")
	for _, m := range p.Mounts {
		w.printf("  %-28s <- %-6s %s  # %s: %s\n", m.Dest, m.Kind, m.describeSource(), m.Feature, m.Why)
	}
	w.head("small files, in a tmpfs of the launch")
	for _, n := range p.Tmpfs {
		switch n.Kind {
		case Symlink:
			w.printf("  %s -> %s\n", n.Path, n.Target)
		case Regular:
			w.printf("  %s (%d bytes, %04o)\n", n.Path, n.Size(), n.Mode)
		}
	}
	w.head("environment")
	for _, kv := range p.Env {
		w.printf("  %s\n", Quote(kv))
	}
	for _, text := range slices.Concat(p.Warnings, p.Notices) {
		w.printf("\nwarning: %s\n", text)
	}
	for _, text := range p.Notes {
		w.printf("\nnote: %s\n", text)
	}
	return w.String()
}

type textWriter struct{ strings.Builder }

func (w *textWriter) printf(format string, a ...any) { fmt.Fprintf(w, format, printableArgs(a)...) }

func (w *textWriter) head(title string) { w.printf("\n%s\n", title) }

// NoTypingText says what Plan.NoTyping means.
const NoTypingText = "a seccomp filter keeps the program from typing commands into it (TIOCSTI, TIOCLINUX)"

// summary writes who runs what where.
func (w *textWriter) summary(p *Plan) {
	id := &p.Identity
	w.printf("chroot    %s (%s)\n", p.Name, p.Tree)
	w.printf("identity  %s: uid %d, gid %d", id.Kind, id.UID, id.GID)
	if id.InsideUID != id.UID || id.InsideGID != id.GID {
		w.printf(", inside %d, %d", id.InsideUID, id.InsideGID)
	}
	w.printf(" — %s\n", id.Why)
	w.printf("account   %s\n", p.User)
	w.printf("directory %s\n", p.Cwd)
	w.printf("run       %s\n", Quote(p.Argv...))
	if p.Network {
		w.printf("network   loopback only\n")
	}
	if p.Linux32 {
		w.printf("machine   32-bit, as shown by uname -m\n")
	}
	if p.NoTyping {
		w.printf("terminal  root's: %s\n", NoTypingText)
	}
}

// changes writes what the launch changes or starts outside its own mounts.
func (w *textWriter) changes(p *Plan) {
	if len(p.Admissions) > 0 {
		w.head(fmt.Sprintf("changed on the host for uid %d, until the last program of the launch ends", p.Identity.UID))
		for _, a := range p.Admissions {
			w.printf("  %s%s  # %s\n", a.Socket, a.Display, a.Why)
		}
	}
	if len(p.Relays) > 0 {
		w.head("relayed by chrun")
		for _, r := range p.Relays {
			w.printf("  %-28s <- %s\n", r.Path, r.Bus)
		}
	}
	for _, temporary := range []bool{false, true} {
		head := "created before the launch, and kept"
		if temporary {
			head = "created in the chroot before the launch, and removed afterwards"
		}
		for _, s := range p.Preparations {
			if s.IsTemporary() != temporary {
				continue
			}
			if head != "" {
				w.head(head)
				head = ""
			}
			w.printf("  %s  # %s\n", Quote(string(s.Home)+string(s.InHome.Join(s.At))+string(s.InTree)), s.Why)
		}
	}
}

func (m Mount) describeSource() string {
	s := m.Source
	if m.Kind == Overlay {
		s += " over " + m.Lower
	}
	if m.ReadOnly {
		s += " (read-only)"
	}
	return s
}

// Command returns COMMAND as the person knows it.
func (p *Plan) Command() string {
	if p.Login {
		return string(p.Programs[0])
	}
	return p.Argv[0]
}

// Quote quotes words for a POSIX shell. Unprintable bytes become calls of printf, so
// that the words can be shown on a terminal and still be copied from there.
func Quote(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		safe := w != "" && !strings.ContainsFunc(w, func(r rune) bool {
			return !(isAlphanumeric(r) || strings.ContainsRune("-_./:=@%+,", r))
		})
		if quoted[i] = w; !safe {
			quoted[i] = quoteWord(w)
		}
	}
	return strings.Join(quoted, " ")
}

func quoteWord(w string) string {
	if PrintableText(w) == w {
		return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	var b strings.Builder
	text := "" // printable, not written yet
	flush := func() {
		if text != "" {
			b.WriteString(quoteWord(text))
			text = ""
		}
	}
	for w != "" {
		r, n := utf8.DecodeRuneInString(w)
		if isPrintable(r) || r == '\n' || r == '\t' {
			text += w[:n]
		} else {
			flush()
			b.WriteString(`"$(printf '`)
			for _, c := range []byte(w[:n]) {
				fmt.Fprintf(&b, `\%03o`, c)
			}
			b.WriteString(`')"`)
		}
		w = w[n:]
	}
	flush()
	return b.String()
}

// QuoteInHome quotes a path of the host for a shell, as short as it can be.
func QuoteInHome(p, home string) string {
	if rest, ok := strings.CutPrefix(p, home+"/"); ok {
		return "~/" + Quote(rest)
	} else if p == home {
		return "~"
	}
	return Quote(p)
}

// isAlphanumeric reports whether r is an ASCII letter or digit.
func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}
