package session

import (
	"path"
	"slices"
	"strings"
)

// programVariables name a program that other programs run, with its arguments. Where
// that program does not exist they fail, but have a default if the variable is unset:
// git commit with EDITOR=nvim.
var programVariables = []string{"EDITOR", "VISUAL", "PAGER", "TERMINAL", "MANPAGER", "GIT_EDITOR", "GIT_SEQUENCE_EDITOR", "GIT_PAGER",
	"SUDO_EDITOR", "SYSTEMD_EDITOR", "SYSTEMD_PAGER", "HGEDITOR", "SVN_EDITOR", "FCEDIT", "CC", "CXX", "RUSTC_WRAPPER"}

// namesMissingProgram returns the program that a variable names if it does not
// exist inside, else "". search is PATH inside. It gives up on a value that only a
// shell can read.
func (b *builder) namesMissingProgram(name, value, search string) (program string) {
	if !slices.Contains(programVariables, name) || value == "" {
		return ""
	}
	program, _, _ = strings.Cut(strings.TrimLeft(value, " \t"), " ")
	if strings.ContainsAny(program, "'\"\\$`~;&|<>(){}*?[]=\t\n") {
		return ""
	}
	home := b.f.Caller.Account.Home
	if rest, ok := strings.CutPrefix(program, home+"/"); ok && !strings.HasPrefix(rest, ".") {
		return "" // it is shared, and looking at it could hang on a dead file system
	}
	candidates := []Path{Path(path.Clean(program))}
	if !strings.Contains(program, "/") {
		candidates = nil
		for _, dir := range strings.Split(search, ":") {
			candidates = append(candidates, Path(dir).Join(program))
		}
	}
	for _, p := range candidates {
		if !path.IsAbs(string(p)) {
			return ""
		}
		if _, at, err := b.follow(p); err != nil || at.exists() && !at.isDir() {
			return ""
		}
	}
	return program
}

// search returns PATH inside.
func (r *Environment) search(requested []Var) (search string) {
	for _, v := range slices.Concat(r.Login, requested) {
		if v.Name == "PATH" {
			search = v.Value
		}
	}
	return search
}
