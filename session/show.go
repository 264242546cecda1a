package session

import (
	"fmt"
	"path"
	"strings"
)

// Text is the plan for people, with the reason for every line.
func (p *Plan) Text() string {
	var b strings.Builder
	head := func(s string) { fmt.Fprintf(&b, "\n%s\n", s) }
	fmt.Fprintf(&b, "chroot    %s (%s)\n", p.Name, p.Tree)
	fmt.Fprintf(&b, "identity  %s: uid %d, gid %d", p.Identity.Kind, p.Identity.UID, p.Identity.GID)
	if p.Identity.InsideUID != p.Identity.UID || p.Identity.InsideGID != p.Identity.GID {
		fmt.Fprintf(&b, ", seen as %d, %d", p.Identity.InsideUID, p.Identity.InsideGID)
	}
	fmt.Fprintf(&b, " — %s\n", p.Identity.Why)
	fmt.Fprintf(&b, "account   %s\n", p.User)
	fmt.Fprintf(&b, "directory %s\n", p.Cwd)
	fmt.Fprintf(&b, "run       %s\n", Quote(p.Argv...))
	if p.Network {
		b.WriteString("network   an own one, loopback only\n")
	}
	if p.Linux32 {
		b.WriteString("machine   a 32-bit one, as uname(1) says\n")
	}
	head("features")
	for _, l := range p.Features {
		fmt.Fprintf(&b, "  %-14s %s\n", l.Feature, l.State)
	}
	if len(p.Admissions) > 0 {
		head(fmt.Sprintf("changed on the host for uid %d, and taken back when the last program of the launch has ended", p.Identity.UID))
		for _, a := range p.Admissions {
			fmt.Fprintf(&b, "  %s%s  # %s\n", a.Socket, a.Display, a.Why)
		}
	}
	if len(p.Relays) > 0 {
		head("reached through a relay of chrun's")
		for _, r := range p.Relays {
			fmt.Fprintf(&b, "  %-28s <- %s\n", r.Path, r.Bus)
		}
	}
	if len(p.Preparations) > 0 {
		head("made before the launch, and kept")
		for _, s := range p.Preparations {
			fmt.Fprintf(&b, "  %s  # %s\n", Quote(string(s.Home)+string(s.InHome.Join(s.At))+string(s.InTree)), s.Why)
		}
	}
	head("mounts")
	for _, m := range p.Mounts {
		fmt.Fprintf(&b, "  %-28s <- %-6s %s  # %s: %s\n", m.Dest, m.Kind, m.from(), m.Feature, m.Why)
	}
	head("small files, in a tmpfs of this launch")
	for _, n := range p.Tmpfs {
		switch n.Kind {
		case Symlink:
			fmt.Fprintf(&b, "  %s -> %s\n", n.Path, n.Target)
		case Regular:
			fmt.Fprintf(&b, "  %s (%d bytes, %04o)\n", n.Path, len(n.Data), n.Mode)
		}
	}
	head("environment")
	for _, kv := range p.Env {
		fmt.Fprintf(&b, "  %s\n", Quote(kv))
	}
	for _, n := range append(append([]string{}, p.Warnings...), p.Notes...) {
		fmt.Fprintf(&b, "\nnote: %s\n", n)
	}
	return b.String()
}

func (m Mount) from() string {
	s := m.Source
	if m.Kind == Overlay {
		s += " over " + m.Lower
	}
	if m.ReadOnly {
		s += " (read-only)"
	}
	return s
}

// Shell is the plan as the commands that a wiki would have a person type: one
// command line that ends when any of its steps fails. chrun itself runs none of
// them.
func (p *Plan) Shell() string {
	var b strings.Builder
	line := func(why string, words ...string) { fmt.Fprintf(&b, "%s  # %s\n", Quote(words...), why) }
	tree, tmp := string(p.Tree), "/mnt"
	enter, id := "unshare --mount --propagation slave", &p.Identity
	switch {
	case id.NeedsNewuidmap():
		fmt.Fprintf(&b, "# its ids, from another terminal: newuidmap PID %s; newgidmap PID %s\n", strings.Join(id.UIDs.Args(), " "), strings.Join(id.GIDs.Args(), " "))
		enter += " --user --keep-caps"
	case id.Kind == Idmap:
		fmt.Fprintf(&b, "# %s: an idmapped mount of it, which root has made (mount --bind -o X-mount.idmap=…)\n", p.Tree)
		enter += " --user --map-current-user --keep-caps"
	case id.Kind == Remap:
		enter += fmt.Sprintf(" --user --map-user=%d --map-group=%d --keep-caps", id.InsideUID, id.InsideGID)
	case id.HasUserNamespace():
		enter += " --user --map-current-user --keep-caps"
	}
	var undo strings.Builder
	for _, a := range p.Admissions {
		do, back := []string{"setfacl", "-m", fmt.Sprintf("u:%d:rw", id.UID), string(a.Socket)}, []string{"setfacl", "-x", fmt.Sprintf("u:%d", id.UID), string(a.Socket)}
		if a.Display != "" {
			host := fmt.Sprintf("si:localuser:#%d", id.UID)
			do, back = []string{"xhost", "-display", a.Display, "+" + host}, []string{"xhost", "-display", a.Display, "-" + host}
		}
		line(a.Why, do...)
		fmt.Fprintf(&undo, "%s  # afterwards\n", Quote(back...))
	}
	for _, r := range p.Relays {
		fmt.Fprintf(&b, "# %s is reached at %s, through chrun alone\n", r.Bus, r.Path)
	}
	if p.Network {
		enter += " --net"
	}
	if p.Linux32 {
		enter = "setarch linux32 " + enter
	}
	const end = "_END_OF_CHRUN_PLAN_"
	fmt.Fprintf(&b, "%s /bin/sh -eu /dev/fd/3 3<<'%s'\nexec 3<&-\nPATH=$PATH:/usr/sbin:/sbin\n", enter, end)
	if p.Network {
		line("network denied", "ip", "link", "set", "lo", "up")
	}
	for _, s := range p.Preparations {
		switch at := path.Join(string(s.InHome), s.At); {
		case s.Home != "":
			line(s.Why, "mkdir", "-p", "-m", "0700", string(s.Home))
		case s.File:
			line(s.Why, "mkdir", "-p", path.Dir(at))
			line(s.Why, "touch", at)
		case s.InHome != "":
			line(s.Why, "mkdir", "-p", at)
		default:
			line(s.Why, "mkdir", "-p", path.Join(tree, string(s.InTree)))
		}
	}
	line("small files", "mount", "-t", "tmpfs", "-o", "nosuid,nodev,mode=0755", "tmpfs", tmp)
	for _, n := range p.Tmpfs {
		at := path.Join(tmp, n.Path)
		switch n.Kind {
		case Dir:
			line("place", "mkdir", "-m", fmt.Sprintf("%04o", n.Mode), at)
		case Symlink:
			line("link", "ln", "-s", n.Target, at)
		case Regular:
			if n.Mode&0o077 == 0 {
				line(fmt.Sprintf("%d secret bytes go there", len(n.Data)), "install", "-m", "0600", "/dev/null", at)
			} else {
				fmt.Fprintf(&b, "printf %%s %s > %s  # file\n", Quote(string(n.Data)), Quote(at))
			}
		}
		if n.OwnedByProgram && id.RootMounts() {
			line("the program's", "chown", "-h", fmt.Sprintf("%d:%d", id.UID, id.GID), at)
		}
	}
	root := path.Join(tmp, ".root")
	line("the new root", "mkdir", root)
	for _, m := range p.Mounts {
		to := path.Join(root, string(m.Dest))
		why := m.Feature + ": " + m.Why
		switch m.Kind {
		case FromHost:
			line(why, "mount", "--rbind", m.Source, to)
		case FromTree:
			line(why, "mount", "--rbind", path.Join(tree, m.Source), to)
		case FromTmpfs:
			line(why, "mount", "--bind", path.Join(tmp, m.Source), to)
		case Overlay:
			line(why, "mount", "-t", "overlay", "-o", "ro,lowerdir="+path.Join(tmp, m.Source)+":"+path.Join(tree, m.Lower), "overlay", to)
			continue
		}
		if m.ReadOnly {
			line("read-only", "mount", "-o", "remount,bind,ro", to)
		}
	}
	line("enter", "cd", root)
	b.WriteString("pivot_root . .\numount -l .\ncd " + Quote(string(p.Cwd)) + "\n")
	words := []string{"exec"}
	if id.RootMounts() && id.Kind != AsRoot {
		words = append(words, "setpriv", fmt.Sprintf("--reuid=%d", id.UID), fmt.Sprintf("--regid=%d", id.GID), "--clear-groups", "--no-new-privs")
	}
	words = append(append(words, "env", "-i"), p.Env...)
	if p.Login {
		words = append(words, string(p.Programs[0]))
		if strings.HasPrefix(p.Argv[0], "-") { // login(1)
			words = append(words, "-l")
		}
		words = append(words, p.Argv[1:]...)
	} else {
		words = append(words, p.Argv...)
	}
	fmt.Fprintf(&b, "%s\n%s\n%s", Quote(words...), end, undo.String())
	return b.String()
}

// Command is COMMAND as the person knows it.
func (p *Plan) Command() string {
	if p.Login {
		return string(p.Programs[0])
	}
	return p.Argv[0]
}

// Quote quotes words for a POSIX shell.
func Quote(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		plain := w != "" && !strings.ContainsFunc(w, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,", r))
		})
		if quoted[i] = w; !plain {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
