package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// edit makes changes in the form of the command line; a change without "="
// unsets the key.
func edit(data string, changes ...string) (string, error) {
	out := []byte(data)
	for _, s := range changes {
		e := ParseUnset(s)
		if strings.Contains(s, "=") {
			var err error
			if e, err = ParseEdit(s); err != nil {
				return "", err
			}
		}
		var err error
		if out, err = e.apply(out); err != nil {
			return "", err
		}
	}
	return string(out), nil
}

// An edit keeps all other bytes: comments, order, blanks, line endings.
func TestEdit(t *testing.T) {
	for _, c := range []struct{ name, file, change, want string }{
		{"replace", "# top\npath = '/a'  # where\n\nuser='x'#y\n", "user=bob", "# top\npath = '/a'  # where\n\nuser=\"bob\"#y\n"},
		{"replace of several lines", "bind = [\n  '/a', # one\n]\nuser='x'", "bind=/b", "bind = [\"/b\"]\nuser='x'"},
		{"quotes", "path='/a'\n", `bind=/a\:b"`, "path='/a'\nbind = ['/a\\:b\"']\n"},
		{"control", "", "env.A=a\tb\n'\"\\", `env.A = "a\u0009b\n'\"\\"` + "\n"},
		{"new at the top", "path='/a' # x\n# end\n[env]\nA='1'\n", "user=bob", "path='/a' # x\nuser = \"bob\"\n# end\n[env]\nA='1'\n"},
		{"no newline at the end", "path='/a'", "user=bob", "path='/a'\nuser = \"bob\"\n"},
		{"CRLF", "path='/a'\r\n[env]\r\nA='1'\r\n", "user=bob", "path='/a'\r\nuser = \"bob\"\r\n[env]\r\nA='1'\r\n"},
		{"CRLF comment", "bind = [ # x\r\n\t'/a', # y\r\n]\r\n", "bind+=/b", "bind = [ # x\r\n\t'/a', # y\r\n\t\"/b\",\r\n]\r\n"},
		{"indentation", "  path='/a'\n", "user=bob", "  path='/a'\n  user = \"bob\"\n"},
		{"only comments", "# user = 'x'\n", "user=bob", "# user = 'x'\nuser = \"bob\"\n"},
		{"header first", "# top\n\n# about env\n[env]\nA='1'\n", "user=bob", "# top\n\nuser = \"bob\"\n# about env\n[env]\nA='1'\n"},
		{"header in the first line", "[env]\nA='1'\n", "user=bob", "user = \"bob\"\n[env]\nA='1'\n"},
		{"variable, no table", "path='/a'\n", "env.A=1", "path='/a'\nenv.A = \"1\"\n"},
		{"variable, header", "[env]\nA='1' # a\n# b\n\n[app.x]\n", "env.B=2", "[env]\nA='1' # a\nB = \"2\"\n# b\n\n[app.x]\n"},
		{"variable, empty header", "[ env ] # c\n# d\n", "env.B=2", "[ env ] # c\nB = \"2\"\n# d\n"},
		{"variable, inline", "env = { A = '1' } # c\n", "env.B=2", "env = { A = '1', B = \"2\" } # c\n"},
		{"variable, inline with a comma", "env = {\n  A = '1', # a\n}\n", "env.B=2", "env = {\n  A = '1', B = \"2\", # a\n}\n"},
		{"variable, empty inline", "env={}\n", "env.B=2", "env={ B = \"2\" }\n"},
		{"variable, dotted", "env.A='1'\nuser='x'\n[app.x]\nhome='host'", "env.B=2", "env.A='1'\nenv.B = \"2\"\nuser='x'\n[app.x]\nhome='host'"},
		{"variable, replace inline", "env={A='1',B='2'}", "env.A=x", "env={A=\"x\",B='2'}"},
		{"variable with dots", "env.A='1'", "env.a.b c=2", "env.A='1'\nenv.\"a.b c\" = \"2\"\n"},
		{"variable that is quoted", "[env]\n\"A\"='1'", "env.A=2", "[env]\n\"A\"=\"2\""},
		{"list, new", "", "bind+=/a", "bind = [\"/a\"]\n"},
		{"list", "bind = ['/a'] # c\n", "bind+=/b", "bind = ['/a', \"/b\"] # c\n"},
		{"list, comma", "bind = ['/a',]\n", "bind+=/b", "bind = ['/a', \"/b\",]\n"},
		{"list, empty", "bind=[ ]\n", "bind+=/b", "bind=[\"/b\" ]\n"},
		{"list, empty with a comment", "bind=[ # c\n]\n", "bind+=/b", "bind=[\"/b\" # c\n]\n"},
		{"list, comment after the element", "bind=['/a' # c\n]\n", "bind+=/b", "bind=['/a', \"/b\" # c\n]\n"},
		{"list, lines", "bind = [\n  '/a', # a\n  '/b', # b\n  # c\n]\n", "bind+=/x", "bind = [\n  '/a', # a\n  '/b', # b\n  \"/x\",\n  # c\n]\n"},
		{"list, lines without a comma", "bind = [\n  '/a', # a\n  '/b' # b\n]\n", "bind+=/x", "bind = [\n  '/a', # a\n  '/b', # b\n  \"/x\"\n]\n"},
		{"list, comma on a line", "bind = [\n  '/b' # b, c\n  ,\n]\n", "bind+=/x", "bind = [\n  '/b' # b, c\n  ,\n  \"/x\",\n]\n"},
		{"list, lines, closed on one", "deny = ['a',\n 'b']", "deny+=c,d", "deny = ['a',\n 'b',\n \"c\",\n \"d\"]"},
		{"list, element exists", "deny = ['a' ]", "deny+=a", "deny = ['a' ]"},
		{"list, one element exists", "deny = ['a' ]", "deny+=a,b,b", "deny = ['a', \"b\" ]"},
		{"list, set", "deny = ['a' ] # c", "deny=b,c", "deny = [\"b\", \"c\"] # c"},
		{"program, new", "path='/a'", "app.mpv.home=host", "path='/a'\n\n[app.mpv]\nhome = \"host\"\n"},
		{"program, dots", "path='/a'\n", "app.python3.12.bind+=/p", "path='/a'\n\n[app.\"python3.12\"]\nbind = [\"/p\"]\n"},
		{"program, header", "[app.mpv]\nuser='x'\n\n[app.vlc]\n", "app.mpv.env.A=1", "[app.mpv]\nuser='x'\nenv.A = \"1\"\n\n[app.vlc]\n"},
		{"program, deeper header", "[app.mpv.env]\nA='1'\n", "app.mpv.user=x", "[app.mpv.env]\nA='1'\n\n[app.mpv]\nuser = \"x\"\n"},
		{"program, header of all", "[app]\nmpv.user='x'\n", "app.mpv.home=host", "[app]\nmpv.user='x'\nmpv.home = \"host\"\n"},
		{"program, inline", "app={mpv={user='x'}}\n", "app.mpv.env.A=1", "app={mpv={user='x', env.A = \"1\"}}\n"},
		{"program, dotted", "app.mpv.user='x'\n[env]\n", "app.mpv.home=host", "app.mpv.user='x'\napp.mpv.home = \"host\"\n[env]\n"},
		{"another program, dotted", "app.mpv.user='x'\n[env]\n", "app.vlc.home=host", "app.mpv.user='x'\napp.vlc.home = \"host\"\n[env]\n"},
		{"another program, header", "[app.mpv]\nuser='x'\n", "app.vlc.home=host", "[app.mpv]\nuser='x'\n\n[app.vlc]\nhome = \"host\"\n"},
		{"unset", "path='/a'\n# who\nuser='x' # y\n\nhome='host'", "user", "path='/a'\n# who\n\nhome='host'"},
		{"unset, last line", "path='/a'\nuser='x'", "user", "path='/a'\n"},
		{"unset, several lines", "path='/a'\nbind=[\n'/a'\n]\nuser='x'", "bind", "path='/a'\nuser='x'"},
		{"unset, header", "[env]\nA='1'\n# b\nB='2'\n[app.x]\n", "env", "# b\n[app.x]\n"},
		{"unset, one of a header", "[env]\nA='1'\nB='2'\n", "env.A", "[env]\nB='2'\n"},
		{"unset, dotted", "env.A='1'\nuser='x'\nenv.B='2'\n", "env", "user='x'\n"},
		{"unset, inline first", "env = { A='1', B='2' }", "env.A", "env = { B='2' }"},
		{"unset, inline last", "env = { A='1', B='2' }", "env.B", "env = { A='1' }"},
		{"unset, inline only", "env = {A='1'}", "env.A", "env = {}"},
		{"unset, inline lines", "env = {\n A='1', # a\n B='2' # b\n}", "env.B", "env = {\n A='1' # a\n # b\n}"},
		{"unset, program", "[app.x]\nuser='a'\n[app.y]\nuser='b'\n[app.x.env]\nA='1'", "app.x", "[app.y]\nuser='b'\n"},
		{"remove", "deny = ['a', 'b', 'c'] # c\n", "deny-=b", "deny = ['a', 'c'] # c\n"},
		{"remove, first", "deny = ['a', 'b']\n", "deny-=a", "deny = ['b']\n"},
		{"remove, last", "deny = [ 'a', 'b' ]\n", "deny-=b", "deny = [ 'a' ]\n"},
		{"remove, several", "deny = ['a', 'b', 'c', 'd']\n", "deny-=d,a", "deny = ['b', 'c']\n"},
		{"remove, twice in the list", "deny = ['a', 'b', 'a']\n", "deny-=a", "deny = ['b']\n"},
		{"remove, all", "path='/a'\ndeny = ['a'] # c\nuser='x'\n", "deny-=a", "path='/a'\nuser='x'\n"},
		{"remove, lines", "bind = [\n  '/a', # a\n  # for b\n  '/b:ro' # b\n]\n", "bind-=/a", "bind = [\n  # for b\n  '/b:ro' # b\n]\n"},
		{"remove, last line", "bind = [\r\n  '/a', # a\r\n  '/b:ro' # b\r\n]\r\n", "bind-=/b:ro", "bind = [\r\n  '/a', # a\r\n]\r\n"},
		{"remove, lines, closed on one", "deny = ['a',\n 'b']", "deny-=b", "deny = ['a'\n]"},
		{"remove, program", "[app.x]\ndeny=['a', 'b']\n", "app.x.deny-=a", "[app.x]\ndeny=['b']\n"},
		{"remove, inline", "app = { x = { deny = ['a', 'b'], user = 'c' } }\n", "app.x.deny-=a,b", "app = { x = { user = 'c' } }\n"},
		{"unset, unknown", "path='/a'\npth='/b'\n[a.b]\nc=1\n", "pth", "path='/a'\n[a.b]\nc=1\n"},
		{"unset, list of tables", "path='/a'\n[[bind]]\nc=1\n[[bind]]\nc=2\n", "bind", "path='/a'\n"},
	} {
		if got, err := edit(c.file, c.change); err != nil || got != c.want {
			t.Errorf("%s: %q with %q:\ngot  %q, %v\nwant %q", c.name, c.file, c.change, got, err, c.want)
		}
	}
}

func TestEditMistakes(t *testing.T) {
	const keys = " (allowed: path, user, home, personality, identity, map, bind, env.NAME, allow, deny, sync, app.COMMAND.KEY)"
	for _, c := range []struct{ file, change, want string }{
		{"", "usr=x", "cannot set usr: unknown key" + keys},
		{"", "=x", "cannot set : unknown key" + keys},
		{"", "env.=x", "cannot set env.: unknown key" + keys},
		{"", "app.=x", "cannot set app.: unknown key" + keys},
		{"", "user+=x", "cannot add to user: it is not a list: user=VALUE"},
		{"", "env.A+=x", "cannot add to env.A: it is not a list: env.A=VALUE"},
		{"", "env=x", "cannot set env: it is a table: env.NAME=VALUE"},
		{"", "app=x", "cannot set app: it is a table: app.COMMAND.KEY=VALUE"},
		{"", "app.x=x", "cannot set app.x: it is a table: app.x.KEY=VALUE"},
		{"", "app.x.path=x", "cannot set app.x.path: it is a table: app.x.path.KEY=VALUE"},
		{"", "app.x.env=x", "cannot set app.x.env: it is a table: app.x.env.NAME=VALUE"},
		{"", "user=\xff", "cannot set user: TOML allows only UTF-8"},
		{"", "user", "cannot unset user: it is not set"},
		{"env.A='1'", "env.B", "cannot unset env.B: it is not set"},
		{"env='1'", "env.B=x", `cannot set env.B: "env" is not a table in the file`},
		{"deny=['a', 'b']", "deny-=gpu", "cannot remove from deny: it has no gpu, only a, b"},
		{"deny=['a']", "deny-=a,b,c", "cannot remove from deny: it has no b, c, only a"},
		{"", "deny-=gpu", "cannot remove from deny: it is not set"},
		{"", "app.x.deny-=gpu", "cannot remove from app.x.deny: it is not set"},
		{"user='x'", "user-=x", "cannot remove from user: it is not a list: user=VALUE"},
		{"bind='1'", "bind-=x", "cannot remove from bind: it is not a list in the file"},
		{"bind='1'", "bind+=x", "cannot add to bind: it is not a list in the file"},
		{"user.x='1'", "user=x", "cannot set user: it is a table in the file"},
		{"[[app]]\n", "app.x.user=x", `cannot set app.x.user: "app" is not a table in the file`},
	} {
		if got, err := edit(c.file, c.change); err == nil || err.Error() != c.want {
			t.Errorf("%q with %q: %q\ngot  %v\nwant %s", c.file, c.change, got, err, c.want)
		}
	}
}

func TestFor(t *testing.T) {
	c := &Chroot{Name: "a", Path: "/a", Settings: Settings{User: "u", Home: "host", Bind: []string{"/a"}, Env: map[string]string{"A": "1", "B": "2"},
		Allow: []string{"sound"}, Deny: []string{"gpu", "x11"}},
		Apps: map[string]Settings{"firefox": {Home: "private", Personality: "linux32", Bind: []string{"/b"}, Env: map[string]string{"B": "3"},
			Allow: []string{"gpu"}, Deny: []string{"sound"}}, "mpv": {}}}
	want := &Chroot{Name: "a", Path: "/a", Settings: Settings{User: "u", Home: "private", Personality: "linux32", Bind: []string{"/a", "/b"},
		Env: map[string]string{"A": "1", "B": "3"}, Allow: []string{"gpu"}, Deny: []string{"x11", "sound"}}, Apps: c.Apps, commands: []string{"firefox"}}
	if got := c.ForCommand("/usr/bin/firefox"); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, command := range []string{"", "firefox-bin", "firefox/"} {
		if got := c.ForCommand(command); (got == c) == (command == "firefox/") {
			t.Errorf("For(%q) = %+v", command, got)
		}
	}
	if got := c.ForCommand("mpv"); !reflect.DeepEqual(got.Env, c.Env) || got.User != "u" || got.Home != "host" || len(c.Bind) != 1 || c.Env["B"] != "2" {
		t.Errorf("got %+v of %+v", got, c)
	}
	if got := (&Chroot{Apps: c.Apps}).ForCommand("firefox"); got.Env["B"] != "3" || len(got.Bind) != 1 {
		t.Errorf("got %+v", got)
	}
}

// An edit changes its key and nothing else.
func FuzzEdit(f *testing.F) {
	for _, file := range []string{
		"path = '/a'\n# x\nuser='b' # c\n\nbind=['/a', # x\n '/b',\n]\n[env]\nA='b'\n[app.x]\nuser='c'\n", "env={A='1', # x\nB='2',}\r\nbind = [ ]",
		"app={x={env.A='1'}}", "[app]\nx.user='a'\n[app.y.env]\n", "env.A='''\n\n'''\nenv.\"B.c\"=\"\"\"x\\\n  \"\"\"", "a=[[1],[{b=2}]]\n[[c]]\nd=1\n[[c]]", "\t[ env ]#x",
	} {
		for _, change := range []string{"user=x", "bind+=/b", "env.A=1", "env.B.c=\\", "app.x.env.A='", "app.y.deny+=a,b", "env", "app.x", "user", "a", "c"} {
			f.Add(file, change)
		}
	}
	f.Fuzz(func(t *testing.T, file, change string) {
		before, err := parseTOML([]byte(file))
		if err != nil {
			return
		}
		e := ParseUnset(change)
		if strings.Contains(change, "=") {
			if e, err = ParseEdit(change); err != nil {
				return
			}
		}
		out, err := e.apply([]byte(file))
		if err != nil {
			var c Chroot
			var edit *EditError
			if !errors.As(err, &edit) {
				t.Fatalf("error %T %v", err, err)
			}
			// Every file that chrun accepts can be edited.
			if strings.Contains(err.Error(), "edit the file") && decode(&Source{Home: func() string { return "/h" }}, "F", []byte(file), chrootKeys(), &c) == nil {
				t.Fatalf("%q cannot have %q: %v", file, change, err)
			}
			return
		}
		after, err := parseTOML(out)
		if err != nil {
			t.Fatalf("%q with %q: %q: %v", file, change, out, err)
		}
		want, got := before, after
		for _, name := range e.Key[:len(e.Key)-1] {
			want, _ = want[name].(map[string]any)
			got, _ = got[name].(map[string]any)
		}
		last := e.Key[len(e.Key)-1]
		switch v := got[last]; {
		case e.Op == Unset && v != nil, e.Op == Set && !reflect.DeepEqual(v, e.Value), e.Op == Add && len(e.missingFrom(v.([]any))) > 0:
			t.Fatalf("%q with %q: %q: %s = %#v", file, change, out, last, v)
		}
		delete(want, last)
		delete(got, last)
		prune(before)
		prune(after)
		if !reflect.DeepEqual(before, after) {
			t.Fatalf("%q with %q: %q: other keys differ", file, change, out)
		}
		checkComments(t, file, string(out), e)
	})
}

// checkComments checks that setting or adding a value keeps all comment lines.
func checkComments(t *testing.T, file, out string, e Edit) {
	if e.Op == Unset {
		return
	}
	if e.Op == Set && strings.ContainsAny(file, "'\"[{") {
		return // the old value may span lines with comments
	}
	for _, line := range strings.Split(file, "\n") {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") && !strings.Contains(out, line) {
			t.Fatalf("%q became %q: %q is gone", file, out, line)
		}
	}
}
