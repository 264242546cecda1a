package session

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Shell returns the plan as the commands that a wiki would tell a person to
// type: one command line that ends when any of its steps fails, and the commands
// that undo what it changed on the host. chrun itself runs none of them.
func (p *Plan) Shell() string {
	s := &script{plan: p, id: &p.Identity}
	s.limits()
	flags := s.namespaceFlags()
	undo := s.admissions() + s.removals()
	for _, r := range p.Relays {
		if r.OpenServer {
			s.comment("links open on the host only through chrun's server at %s", r.Path)
		} else {
			s.comment("%s is available at %s only through chrun's relay", r.Bus, r.Path)
		}
	}
	head := s.String()
	s.Reset()
	s.printf("exec 3<&-\nPATH=$PATH:/usr/sbin:/sbin\n")
	if p.Network {
		s.line("network denied", "ip", "link", "set", "lo", "up")
	}
	for _, prep := range p.Preparations {
		s.preparation(prep)
	}
	s.line("small files", "mount", "-t", "tmpfs", "-o", "nosuid,nodev,mode=0755", "tmpfs", scriptTmpfs)
	for _, n := range p.Tmpfs {
		s.node(n)
	}
	s.line("the new root", "mkdir", scriptRoot)
	for _, m := range p.Mounts {
		s.mount(m)
	}
	s.line("enter", "cd", scriptRoot)
	s.printf("pivot_root . .\numount -l .\ncd %s\n%s\n", Quote(string(p.Cwd)), Quote(s.execWords()...))
	body, end := s.String(), scriptEnd
	for strings.Contains(body, end) { // of a file or variable
		end += "_"
	}
	return fmt.Sprintf("%s%s /bin/sh -eu /dev/fd/3 3<<'%s'\n%s%[3]s\n%[5]s", head, s.enterCommand(flags), end, body, undo)
}

const (
	scriptTmpfs = "/mnt" // where the script mounts the tmpfs of the launch
	scriptRoot  = scriptTmpfs + "/.root"
	scriptEnd   = "_END_OF_CHRUN_PLAN_" // of the here-document
)

// script writes the commands of a plan, each with its reason as a comment.
type script struct {
	strings.Builder
	plan *Plan
	id   *Identity
}

func (s *script) printf(format string, a ...any) { fmt.Fprintf(s, format, a...) }

// comment writes a line that a shell ignores.
func (s *script) comment(format string, a ...any) { s.printf("# "+format+"\n", printableArgs(a)...) }

func (s *script) line(why string, words ...string) {
	s.printf("%s  # %s\n", Quote(words...), Printable(why))
}

// limits says at the top what a shell cannot do, or who has to run the script.
func (s *script) limits() {
	id := s.id
	if id.RootMounts() {
		s.printf("# Run this as root.\n")
	}
	if id.NeedsNewuidmap() {
		s.printf("# A shell cannot map a range of ids. When unshare has started, run the newuidmap line below\n# in another terminal, with the process id of unshare as PID. The mounts work only after that.\n")
	}
	if id.Kind == Idmap {
		s.comment("A shell cannot exchange two owners of a tree: %s must be an idmapped mount.", s.plan.Tree)
	}
	if s.plan.NoTyping {
		s.printf("# A shell cannot load a seccomp filter: the program could type commands into root's terminal (TIOCSTI).\n")
	}
	if slices.ContainsFunc(s.plan.Relays, func(r Relay) bool { return !r.OpenServer }) {
		s.printf("# A shell cannot relay a bus for another uid: programs that use it fail.\n")
	}
}

// namespaceFlags returns the flags of unshare(1) for the user namespace, and
// writes what has to be done besides.
func (s *script) namespaceFlags() string {
	const mapCaller = " --user --map-current-user --keep-caps"
	switch id := s.id; {
	case id.NeedsNewuidmap():
		s.printf("# map the ids from another terminal: newuidmap PID %s; newgidmap PID %s\n",
			strings.Join(id.UIDs.Args(), " "), strings.Join(id.GIDs.Args(), " "))
		return " --user --keep-caps"
	case id.Kind == Idmap:
		s.comment("%s below is an idmapped mount, which root makes: mount --bind -o X-mount.idmap=…", s.plan.Tree)
		return mapCaller
	case id.Kind == Remap:
		return fmt.Sprintf(" --user --map-user=%d --map-group=%d --keep-caps", id.InsideUID, id.InsideGID)
	case id.HasUserNamespace():
		return mapCaller
	}
	return ""
}

func (s *script) enterCommand(namespaceFlags string) string {
	command := "unshare --mount --propagation slave" + namespaceFlags
	if s.plan.Network {
		command += " --net"
	}
	if s.plan.Linux32 {
		command = "setarch linux32 " + command
	}
	return command
}

// admissions writes the commands that grant the program access to the desktop,
// and returns those that revoke it.
func (s *script) admissions() (undo string) {
	uid := s.id.UID
	for _, a := range s.plan.Admissions {
		do := []string{"setfacl", "-m", fmt.Sprintf("u:%d:rw", uid), string(a.Socket)}
		revoke := []string{"setfacl", "-x", fmt.Sprintf("u:%d", uid), string(a.Socket)}
		if a.Display != "" {
			host := fmt.Sprintf("si:localuser:#%d", uid)
			do, revoke = []string{"env", "DISPLAY=" + a.Display, "xhost", "+" + host}, []string{"env", "DISPLAY=" + a.Display, "xhost", "-" + host}
		}
		s.line(a.Why, do...)
		undo += Quote(revoke...) + "  # afterwards\n"
	}
	return undo
}

// removals returns the commands that remove what is made only for the launch.
func (s *script) removals() (undo string) {
	for _, p := range s.plan.Preparations {
		if p.IsTemporary() {
			undo += Quote("find", s.inTree(p), "-size", "0", "-perm", fmt.Sprintf("%04o", FilePlaceholderMode), "-delete") + "  # afterwards\n"
		}
	}
	return undo
}

func (s *script) inTree(p Preparation) string {
	return path.Join(string(s.plan.Tree), string(p.InTree))
}

func (s *script) preparation(p Preparation) {
	switch at := path.Join(string(p.InHome), p.At); {
	case p.Home != "":
		s.line(p.Why, "mkdir", "-p", "-m", "0700", string(p.Home))
	case p.Link != "":
		s.printf("[ -e %[1]s ] || [ -L %[1]s ] || ln -s %[2]s %[1]s  # %[3]s\n", Quote(at), Quote(p.Link), Printable(p.Why))
	case p.Placeholder && p.InHome != "":
		s.line(p.Why, "mkdir", "-p", "-m", "0555", at)
	case p.IsTemporary():
		s.line(p.Why, "mkdir", "-p", path.Dir(s.inTree(p)))
		s.printf("[ -e %[1]s ] || install -m %04[2]o /dev/null %[1]s  # %[3]s\n", Quote(s.inTree(p)), FilePlaceholderMode, Printable(p.Why))
	case p.File:
		s.line(p.Why, "mkdir", "-p", path.Dir(at))
		s.line(p.Why, "touch", at)
	case p.InHome != "":
		s.line(p.Why, "mkdir", "-p", at)
	default:
		s.line(p.Why, "mkdir", "-p", s.inTree(p))
	}
}

func (s *script) node(n Node) {
	at := path.Join(scriptTmpfs, n.Path)
	switch {
	case n.Kind == Dir:
		s.line("directory", "mkdir", "-m", fmt.Sprintf("%04o", n.Mode), at)
	case n.Kind == Symlink:
		s.line("symlink", "ln", "-s", n.Target, at)
	case n.isSecret() && len(n.SecretDisplays) == 2:
		// xauth list: NAME PROTOCOL COOKIE, where NAME ends in the display
		s.printf("xauth -f %s add %s . \"$(xauth -f %s list | awk -v end=%s 'substr($1, length($1) - length(end) + 1) == end { print $3; exit }')\"  # the X11 cookie, read when this runs\n",
			Quote(at), Quote(n.SecretDisplays[1]), Quote(string(n.SecretFile)), Quote(n.SecretDisplays[0]))
	case n.isSecret() && n.SecretFile != "":
		s.line("secret, copied when this runs", "install", "-m", "0600", string(n.SecretFile), at)
	case n.isSecret():
		s.line(fmt.Sprintf("for %d secret bytes", len(n.Data)), "install", "-m", "0600", "/dev/null", at)
	case len(n.Pieces) > 0:
		s.printf("{ ")
		for _, p := range n.Pieces {
			if p.Length > 0 {
				s.printf("tail -c +%d %s | head -c %d; ", p.Offset+1, Quote(path.Join(string(s.plan.Tree), string(n.Original))), p.Length)
			} else {
				s.printf("printf %%s %s; ", Quote(string(p.Data)))
			}
		}
		s.printf("} > %s  # file\n", Quote(at))
	case !isText(n.Data):
		s.printf("printf %%s %s | base64 -d > %s  # file\n", base64.StdEncoding.EncodeToString(n.Data), Quote(at))
	default:
		s.printf("printf %%s %s > %s  # file\n", Quote(string(n.Data)), Quote(at))
	}
	if n.OwnedByProgram && s.id.RootMounts() {
		s.line("owned by the program", "chown", "-h", fmt.Sprintf("%d:%d", s.id.UID, s.id.GID), at)
	}
}

// isText reports whether a shell can hold the data in a word.
func isText(data []byte) bool { return utf8.Valid(data) && bytes.IndexByte(data, 0) < 0 }

func (s *script) mount(m Mount) {
	tree, to := string(s.plan.Tree), path.Join(scriptRoot, string(m.Dest))
	why := m.Feature + ": " + m.Why
	switch m.Kind {
	case FromHost:
		s.line(why, "mount", "--rbind", m.Source, to)
	case FromTree:
		s.line(why, "mount", "--rbind", path.Join(tree, m.Source), to)
	case FromTmpfs:
		s.line(why, "mount", "--bind", path.Join(scriptTmpfs, m.Source), to)
	case Overlay:
		lower := path.Join(scriptTmpfs, m.Source) + ":" + path.Join(tree, m.Lower)
		s.line(why, "mount", "-t", "overlay", "-o", "ro,lowerdir="+lower, "overlay", to)
		return
	}
	if m.ReadOnly {
		s.line("read-only", "mount", "-o", "remount,bind,ro", to)
	}
}

// execWords returns the words of the last command, which runs the program.
func (s *script) execWords() []string {
	p, words := s.plan, []string{"exec"}
	if s.id.RootMounts() && s.id.Kind != AsRoot {
		words = append(words, "setpriv", fmt.Sprintf("--reuid=%d", s.id.UID), fmt.Sprintf("--regid=%d", s.id.GID), "--clear-groups", "--no-new-privs")
	}
	words = append(append(words, "env", "-i"), p.Env...)
	if !p.Login {
		return append(words, p.Argv...)
	}
	words = append(words, string(p.Programs[0]))
	if strings.HasPrefix(p.Argv[0], "-") { // login(1)
		words = append(words, "-l")
	}
	return append(words, p.Argv[1:]...)
}
