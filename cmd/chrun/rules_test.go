package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "../.."

// sources parses the module's Go files that are not tests, by package directory.
func sources(t *testing.T) (*token.FileSet, map[string][]*ast.File) {
	t.Helper()
	files, fset := map[string][]*ast.File{}, token.NewFileSet()
	err := filepath.WalkDir(module, func(p string, e os.DirEntry, err error) error {
		name := e.Name()
		switch {
		case err != nil:
			return err
		case e.IsDir() && p != module && (strings.HasPrefix(name, ".") || name == "testdata"):
			return filepath.SkipDir
		case e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(fset, p, nil, parser.ParseComments|parser.SkipObjectResolution)
		dir, _ := filepath.Rel(module, filepath.Dir(p))
		files[dir] = append(files[dir], f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fset, files
}

// layers are the packages from the top down: one imports those below alone.
// A leaf may import the leaves behind it.
var layers = [][]string{
	{"cmd"},
	{"internal/complete", "internal/elevate", "internal/suggest", "internal/request", "internal/helper", "internal/grants", "internal/cli"},
	{"desktop"},
	{"display", "audio"},
	{"session"},
	{"session/config", "session/account", "session/acl", "session/grant", "session/relay", "session/rootfs"},
}

// layer is where a package stands; deeper names win ("session/launch" is not
// "session").
func layer(pkg string) (depth int, name string) {
	depth = -1
	for i, l := range layers {
		for _, n := range l {
			if (pkg == n || strings.HasPrefix(pkg, n+"/")) && len(n) > len(name) {
				depth, name = i, n
			}
		}
	}
	return depth, name
}

func TestImports(t *testing.T) {
	// Who alone may import it, and why.
	only := []struct{ path, home, why string }{
		{"chrun/session/launch", "cmd internal", "it changes things: whatever decides must not be able to"},
		{"chrun/session/grant", "cmd internal", "it changes things: whatever decides must not be able to"},
		{"chrun/cmd", "", "commands are the top"},
		{"chrun/internal/headless", "internal scripts", "it is for tests"},
		{"github.com/pelletier/go-toml", "session/config", "each third-party module has one home"},
		{"github.com/spf13", "cmd internal/cli", "each third-party module has one home"},
		{"github.com/pkg/xattr", "session/acl", "each third-party module has one home"},
		{"github.com/godbus/dbus", "cmd desktop session/relay", "each third-party module has one home"},
		{"github.com/jezek/xgb", "display/x11/xhost", "it may crash the process that uses it"},
		{"testing", "internal", "tests' helpers do not belong into a program"},
	}
	anywhere := []string{"golang.org/x/sys/unix"}
	homes := map[string][]string{}
	_, files := sources(t)
	for pkg, list := range files {
		for _, f := range list {
			for _, i := range f.Imports {
				path, _ := strconv.Unquote(i.Path.Value)
				for _, o := range only {
					if path != o.path && !strings.HasPrefix(path, o.path+"/") || strings.HasPrefix("chrun/"+pkg, o.path) {
						continue
					}
					if !slices.ContainsFunc(strings.Fields(o.home), func(home string) bool { return pkg == home || strings.HasPrefix(pkg, home+"/") }) {
						t.Errorf("%s imports %s, which belongs to %q: %s", pkg, path, o.home, o.why)
					}
				}
				if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") && !slices.Contains(anywhere, path) && !slices.Contains(homes[path], pkg) {
					homes[path] = append(homes[path], pkg)
				}
				below, ours := strings.CutPrefix(path, "chrun/")
				if !ours || strings.HasPrefix(below, "session/launch") || strings.HasPrefix(pkg, "session/launch") {
					continue // launch stands beside: it knows session, and cmd alone knows it
				}
				from, top := layer(pkg)
				to, sub := layer(below)
				if from < 0 {
					continue // internal, scripts, test: not part of the program
				}
				switch {
				case to < 0:
					t.Errorf("%s imports %s, which is not part of the program", pkg, path)
				case top == sub: // display → display/x11
				case from > to:
					t.Errorf("%s imports %s: imports go one way, cmd → desktop → display, audio → session → its leaves", pkg, path)
				case from == to && (from > 1 && from < len(layers)-1 || slices.Index(layers[from], top) > slices.Index(layers[from], sub)):
					t.Errorf("%s imports %s: packages beside each other do not, and a leaf only those behind it in this test's table, so that there is no circle", pkg, path)
				}
			}
		}
	}
	for path, pkgs := range homes {
		if len(pkgs) > 1 && !strings.HasPrefix(path, "github.com/pelletier") {
			t.Errorf("%s is imported by %v: each third-party module has one home", path, pkgs)
		}
	}
}

// Environment, streams and the end of the process are parameters below cmd: a
// test can hand in others, and an undo is never skipped.
func TestProcessState(t *testing.T) {
	banned := map[string]bool{"Getenv": true, "LookupEnv": true, "Environ": true, "Setenv": true, "Exit": true, "Stdin": true, "Stdout": true, "Stderr": true, "Args": true}
	fset, files := sources(t)
	for pkg, list := range files {
		if depth, _ := layer(pkg); depth <= 0 {
			continue // cmd, and what is not part of the program
		}
		for _, f := range list {
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && x.Name == "os" && banned[s.Sel.Name] {
						t.Errorf("%s: os.%s belongs to cmd: below, environment, streams and the end of the process are parameters", fset.Position(n.Pos()), s.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// Package comments say what a package is for, once.
func TestPackageComments(t *testing.T) {
	_, files := sources(t)
	for pkg, list := range files {
		n := 0
		for _, f := range list {
			if f.Doc != nil {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s has %d package comments: one says what it is for", pkg, n)
		}
	}
}

// A file is one idea.
func TestFileLength(t *testing.T) {
	fset, files := sources(t)
	for _, list := range files {
		for _, f := range list {
			if at := fset.Position(f.FileEnd); at.Line > 400 {
				t.Errorf("%s has %d lines: a file too long is usually two ideas", at.Filename, at.Line)
			}
		}
	}
}
