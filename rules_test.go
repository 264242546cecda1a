// Package chrun holds the rules that the whole module keeps, as tests with the
// reason in each message.
package chrun

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// sources parses the module's Go files that are not tests, by package directory.
func sources(t *testing.T) (*token.FileSet, map[string][]*ast.File) {
	t.Helper()
	files, fset := map[string][]*ast.File{}, token.NewFileSet()
	err := filepath.WalkDir(".", func(p string, e os.DirEntry, err error) error {
		name := e.Name()
		switch {
		case err != nil:
			return err
		case e.IsDir() && p != "." && (strings.HasPrefix(name, ".") || name == "testdata"):
			return filepath.SkipDir
		case e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(fset, p, nil, parser.ParseComments|parser.SkipObjectResolution)
		files[filepath.Dir(p)] = append(files[filepath.Dir(p)], f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fset, files
}

// layers are the packages of the program from the top down: a package imports
// only those of lower layers. In the layers internal and leaves a package may
// also import those that stand further right in its own line.
var layers = [][]string{
	{"cmd"},
	{"internal/complete", "internal/doctor", "internal/chroots", "internal/trees", "internal/processes", "internal/homereport", "internal/elevate", "internal/suggest", "internal/request", "internal/helper", "internal/grants", "internal/stall", "internal/cli"},
	{"desktop"},
	{"display", "audio"},
	{"session"},
	{"session/config", "session/account", "session/acl", "session/grant", "session/relay", "session/rootfs"},
}

// ordered reports whether the packages of a layer may import each other.
func ordered(layer int) bool { return layer == 1 || layer == len(layers)-1 }

// layerOf returns the layer of a package and the name that stands for it there;
// deeper names win ("session/launch" is not "session"). The layer is -1 for what
// is not part of the program: tests, tools and the headless desktop.
func layerOf(pkg string) (layer int, name string) {
	layer = -1
	for i, l := range layers {
		for _, n := range l {
			if isBelow(pkg, n) && len(n) > len(name) {
				layer, name = i, n
			}
		}
	}
	return layer, name
}

func isBelow(pkg, dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") }

// homes says which folders may import a package, and why no others.
var homes = []struct{ path, homes, why string }{
	{"chrun/session/launch", "cmd internal", "it changes things: what decides must not be able to"},
	{"chrun/session/grant", "cmd internal", "it changes things: what decides must not be able to"},
	{"chrun/cmd", "", "commands are the top"},
	{"chrun/internal", "cmd internal scripts", "it serves the commands, tests and tools"},
	{"chrun/internal/headless", "internal/bench scripts", "it is for tests and tools"},
	{"chrun/internal/fakedesk", "", "it is for tests"},
	{"github.com/pelletier/go-toml", "session/config", "each third-party module has one home"},
	{"github.com/spf13", "cmd/chrunctl internal/cli", "each third-party module has one home"},
	{"github.com/klauspost/compress", "internal/trees", "each third-party module has one home"},
	{"github.com/ulikunitz/xz", "internal/trees", "each third-party module has one home"},
	{"github.com/pkg/xattr", "session/acl", "each third-party module has one home"},
	{"github.com/jezek/xgb", "display/x11/xhost", "a hostile server can make it panic, so it runs only in a helper process"},
	{"github.com/godbus/dbus", "desktop", "each third-party module has one home"},
	{"testing", "internal/headless internal/fakedesk", "helpers of tests do not belong in a program"},
}

func TestImports(t *testing.T) {
	_, files := sources(t)
	for pkg, list := range files {
		for _, f := range list {
			for _, i := range f.Imports {
				path, _ := strconv.Unquote(i.Path.Value)
				checkHome(t, pkg, path)
				if below, ours := strings.CutPrefix(path, "chrun/"); ours {
					checkLayers(t, pkg, below)
				}
			}
		}
	}
}

// checkHome fails if pkg is not a home of the package path.
func checkHome(t *testing.T, pkg, path string) {
	t.Helper()
	known := strings.HasPrefix(path, "chrun/") || isBelow(path, "golang.org/x/sys/unix") || !strings.Contains(strings.Split(path, "/")[0], ".")
	for _, h := range homes {
		if !isBelow(path, h.path) || isBelow("chrun/"+pkg, h.path) {
			continue
		}
		known = true
		if !slices.ContainsFunc(strings.Fields(h.homes), func(home string) bool { return isBelow(pkg, home) }) {
			t.Errorf("%s imports %s, which belongs to %q: %s", pkg, path, h.homes, h.why)
		}
	}
	if !known {
		t.Errorf("%s imports %s, which has no home in this test's table: each third-party module has one", pkg, path)
	}
}

// checkLayers fails if pkg, of the program, may not import below, of this module.
func checkLayers(t *testing.T, pkg, below string) {
	t.Helper()
	if isBelow(below, "session/launch") || isBelow(pkg, "session/launch") {
		return // launch stands beside the layers: it knows session, and only cmd and internal know it
	}
	from, fromName := layerOf(pkg)
	to, toName := layerOf(below)
	switch {
	case from < 0: // not part of the program
	case to < 0:
		t.Errorf("%s imports %s, which is not part of the program", pkg, below)
	case fromName == toName: // display → display/x11
	case from > to:
		t.Errorf("%s imports %s: imports go one way, cmd → internal → desktop → display, audio → session → its leaves", pkg, below)
	case from == to && !ordered(from):
		t.Errorf("%s imports %s: packages of this layer do not import each other", pkg, below)
	case from == to && slices.Index(layers[from], fromName) > slices.Index(layers[from], toName):
		t.Errorf("%s imports %s: in this layer a package imports only those further right in this test's table, so that there is no cycle", pkg, below)
	}
}

// Environment, streams and the end of the process are parameters below cmd, so
// that a test can pass others and no undo is skipped.
func TestProcessState(t *testing.T) {
	banned := map[string]bool{"Getenv": true, "LookupEnv": true, "Environ": true, "Setenv": true, "Exit": true, "Stdin": true, "Stdout": true, "Stderr": true, "Args": true}
	fset, files := sources(t)
	for pkg, list := range files {
		if layer, _ := layerOf(pkg); layer <= 0 {
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

// A function is one step: what does not fit on a screen is two.
func TestFunctionLength(t *testing.T) {
	const limit = 60
	fset, files := sources(t)
	for _, list := range files {
		for _, f := range list {
			for _, decl := range f.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				if n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1; n > limit {
					t.Errorf("%s: %s has %d lines, more than %d: split it", fset.Position(fn.Pos()), fn.Name.Name, n, limit)
				}
			}
		}
	}
}

// What the commands print goes through cli.Terminal, which makes it printable. The
// streams of the process are named only where a Terminal is made of them.
func TestStreams(t *testing.T) {
	fset, files := sources(t)
	for pkg, list := range files {
		if layer, _ := layerOf(pkg); layer != 0 {
			continue
		}
		for _, f := range list {
			ast.Inspect(f, func(n ast.Node) bool {
				s, _ := n.(*ast.SelectorExpr)
				if s == nil || s.Sel.Name != "Stdout" && s.Sel.Name != "Stderr" {
					return true
				}
				if at := fset.Position(s.Pos()); types.ExprString(s.X) == "os" && at.Filename != "cmd/chrun/print.go" && at.Filename != "cmd/chrunctl/main.go" {
					t.Errorf("%s: os.%s is used directly: print through a cli.Terminal", at, s.Sel.Name)
				}
				return true
			})
		}
	}
}
