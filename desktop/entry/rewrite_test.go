package entry

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// testOptions are for chrun in /usr/bin and the chroot g.
func testOptions() RewriteOptions {
	return RewriteOptions{ID: "app", OriginalID: "app", Source: "/usr/share/applications/app.desktop", Launcher: "/usr/bin/chrun", Chroot: "g",
		MapIcon: func(name string) string {
			if strings.HasPrefix(name, "no-") {
				return ""
			}
			return strings.TrimPrefix(strings.TrimSuffix(name, ".png"), "/opt/")
		},
		KeepType: func(t string) bool { return t != "text/html" }}
}

const top = "[Desktop Entry]\nType=Application\nName=App\n"
const run = "Exec=/usr/bin/chrun -c g --app app "

// Each row has an entry, and the lines that its rewritten form must contain, the
// texts that it must not contain (after "!"), or the error (after "refused: ").
var entries = []struct{ name, in, want string }{
	{"plain", top + "Exec=app\n", "Name=App|" + run + "app|TryExec=/usr/bin/chrun"},
	{"file", top + "Exec=app %f\n", run + "app %f"},
	{"files", top + "Exec=app -n %F\n", run + "app -n %F"},
	{"uri", top + "Exec=app %u\n", run + "app %u"},
	{"uris", top + "Exec=app --new-window %U\n", run + "app --new-window %U"},
	{"embedded uri", top + "Exec=app --url=%u\n", run + "app --url=%u"},
	{"embedded uris", top + "Exec=app --url=%U\n", "refused: inside an argument"},
	{"icon code", top + "Exec=app %i\n", run + "app %i"},
	{"caption", top + "Exec=app -caption %c\n", run + "app -caption %c"},
	{"location", top + "Exec=app %k x\n", run + "app /usr/share/applications/app.desktop x"},
	{"location inside an argument", top + "Exec=app --from=%k x\n", run + "app --from=/usr/share/applications/app.desktop x"},
	{"location in a script", top + "Exec=sh -c \"cd \\\\$(dirname %k) && ./app 5%%k\"\n",
		run + "sh -c \"cd \\\\$(dirname /usr/share/applications/app.desktop) && ./app 5%%k\""},
	{"percent", top + "Exec=app 100%%\n", run + "app 100%%"},
	{"deprecated codes", top + "Exec=app %d %D %n %N %v %m x\n", run + "app x"},
	{"deprecated, embedded", top + "Exec=app a%mb\n", run + "app ab"},
	{"unknown code", top + "Exec=app %q x%2y\n", run + "app xy"},
	{"unknown code that is not ASCII", top + "Exec=app x%äy\n", run + "app xy"},
	{"single percent", top + "Exec=app %\n", run + "app %%"},
	{"percent at the end of an argument", top + "Exec=app --volume=50% x \"9% y\"\n", run + "app --volume=50%% x \"9%% y\""},
	{"two file codes", top + "Exec=app %f -x %U --y=%u\n", run + "app %f -x --y="},
	{"the same twice", top + "Exec=app %f %f\n", run + "app %f"},
	{"program that ends with a percent sign", top + "Exec=100%\n", run + "100%%"},
	{"quoted", top + `Exec="/opt/my app/app" "a b"` + "\n", run + `"/opt/my app/app" "a b"`},
	{"needless quotes", top + `Exec="app" "a"` + "\n", run + "app a"},
	{"quoted code", top + `Exec=app "%f"` + "\n", run + "app %f"},
	{"code in quotes", top + `Exec=app "file %f"` + "\n", "refused: in quotes"},
	{"script", top + `Exec=sh -c "app %F"` + "\n", run + `sh -c "app \\"\\$@\\"" sh %F`},
	{"script in single quotes", top + `Exec=/bin/bash -lc 'cd /opt && exec ./app %u; exit'` + "\n", run + `/bin/bash -lc "cd /opt && exec ./app \\"\\$@\\"; exit" sh %u`},
	{"script with a quoted code", top + `Exec=env A=b sh -c "app '%f'"` + "\n", run + `env A=b sh -c "app \\"\\$@\\"" sh %f`},
	{"script with a code in quotes", top + `Exec=sh -c "app 'file %f'"` + "\n", "refused: in quotes"},
	{"script with a code in a word", top + `Exec=sh -c "app --file=%f"` + "\n", "refused: in quotes"},
	{"script with two codes", top + `Exec=sh -c "app %f %u"` + "\n", "refused: in quotes"},
	{"script with arguments", top + `Exec=sh -c "app %f" x` + "\n", "refused: in quotes"},
	{"script with a function", top + `Exec=sh -c "f() { app %f; }; f"` + "\n", "refused: in quotes"},
	{"script with other positional parameters", top + `Exec=sh -c "set -- x; app %f"` + "\n", "refused: in quotes"},
	{"script with an escaped space", top + `Exec=sh -c 'app\\\\ %f'` + "\n", "refused: in quotes"},
	{"script of another program", top + `Exec=awk -c "app %f"` + "\n", "refused: in quotes"},
	{"single quotes", top + "Exec=sh -c 'app; exit'\n", run + `sh -c "app; exit"`},
	{"dollar", top + `Exec=sh -c "app \\$HOME"` + "\n", run + `sh -c "app \\$HOME"`},
	{"backslashes", top + `Exec=app "a\\\\b"` + "\n", run + `app "a\\\\b"`},
	{"backtick", top + "Exec=app \"\\\\`id\\\\`\"\n", run + "app \"\\\\`id\\\\`\""},
	{"empty argument", top + `Exec=app "" x` + "\n", run + `app "" x`},
	{"carriage return next to a code", top + `Exec=app "a\rb" \r%c` + "\n", "refused: in quotes"},
	{"reserved, unquoted", top + "Exec=app a;b&c|d\n", run + `app "a;b&c|d"`},
	{"open quote", top + `Exec=app "x` + "\n", "refused: unterminated"},
	{"last backslash", top + `Exec=app x\\` + "\n", "refused: ends with a backslash"},
	{"newline in Exec", top + `Exec=app\nrm x` + "\n", run + "app rm x"},
	{"tab between words", top + "Exec=app\tx\n", run + "app x"},
	{"quoted newline", top + `Exec=app "a\nb"` + "\n", run + `app "a\nb"`},
	{"no program", top + "Exec=\n", "refused: names no program"},
	{"empty program", top + `Exec="" x` + "\n", "refused: names no program"},
	{"program is a code", top + "Exec=%f\n", "refused: is a field code"},
	{"assignment as program", top + "Exec=A=b app\n", "refused: contains ="},
	{"env", top + "Exec=env A=b app %U\n", run + "env A=b app %U"},
	{"program named like an option", top + "Exec=--version\n", run + "-- --version"},
	{"no Exec", top, "refused: no Exec"},
	{"only D-Bus", top + "DBusActivatable=true\n", "refused: only be started by D-Bus"},
	{"D-Bus and Exec", top + "DBusActivatable=true\nExec=app\n", run + "app|!DBusActivatable"},
	{"working directory", top + "Path=/opt/my app\nExec=app\n", run + `-C "/opt/my app" app|!Path=`},
	{"TryExec", top + "TryExec=evil\nExec=app\n", "TryExec=/usr/bin/chrun|!evil"},
	{"icon", top + "Icon=app\nExec=app\n", "Icon=app"},
	{"absolute icon", top + "Icon=/opt/app.png\nExec=app\n", "Icon=app|!/opt"},
	{"no icon", top + "Icon=no-app\nExec=app\n", "!Icon"},
	{"translated icon", top + "Icon=app\nIcon[de]=no-app\nExec=app\n", "Icon=app|!Icon[de]"},
	{"action", top + "Exec=app\nActions=new;\n\n[Desktop Action new]\nName=New\nIcon=/opt/new.png\nExec=app --new %u\n",
		"Actions=new;|Icon=new|" + run + "app --new %u"},
	{"action without group", top + "Exec=app\nActions=new;old;\n[Desktop Action new]\nName=New\nExec=app -n\n", "Actions=new;"},
	{"no action kept", top + "Exec=app\nActions=old;\n", "!Actions"},
	{"group without action", top + "Exec=app\n[Desktop Action x]\nName=X\nExec=rm\n", "!rm"},
	{"action without Exec", top + "Exec=app\nActions=x;\n[Desktop Action x]\nName=X\n", "!Actions|!Desktop Action"},
	{"action with a bad Exec", top + "Exec=app\nActions=x;y;\n[Desktop Action x]\nName=X\nExec=a \"b %f\"\n[Desktop Action y]\nName=Y\nExec=y\n", "Actions=y;|!%f"},
	{"keys that an action cannot have", top + "Exec=app\nActions=x;\n[Desktop Action x]\nName=X\nExec=x\nTryExec=y\nOnlyShowIn=KDE\n", "Actions=x;|!TryExec=y|!OnlyShowIn"},
	{"types", top + "Exec=app %U\nMimeType=text/plain;text/html;x-scheme-handler/http;\n", "MimeType=text/plain;x-scheme-handler/http;|!text/html"},
	{"duplicate and invalid types", top + "Exec=app %U\nMimeType=text/plain;text/plain;../x;a b/c;\n", "MimeType=text/plain;"},
	{"no type kept", top + "Exec=app %U\nMimeType=text/html\n", "!MimeType"},
	{"translations and comments", "# one\n" + top + "Name[de]=Ding\nComment=C\n# two\n\nExec=app\n", "# one|Name[de]=Ding|# two|Comment=C"},
	{"translated Exec", top + "Exec=app\nExec[de]=rm\n", "!rm"},
	{"TerminalOptions", top + "Exec=app\nTerminalOptions=-e rm\n", "!rm"},
	{"X-KDE-SubstituteUID", top + "Exec=app\nX-KDE-SubstituteUID=true\nX-KDE-Username=root\n", "!X-KDE"},
	{"program of the host", top + "Exec=app\nX-GNOME-Bugzilla-ExtraInfoScript=/bin/x\n", "!Script"},
	{"entry of another launcher", top + "Exec=app\nX-Flatpak=org.x\nX-SnapInstanceName=x\n", "!X-Flatpak|!X-Snap"},
	{"InitialPreference", top + "Exec=app\nInitialPreference=99\n", "!InitialPreference"},
	{"harmless", top + "Exec=app\nX-GNOME-UsesNotifications=true\nX-Purism-FormFactor=Workstation;Mobile;\n", "X-GNOME-UsesNotifications=true|X-Purism-FormFactor=Workstation;Mobile;"},
	{"unknown group", top + "Exec=app\n[X-Foo Shortcut Group]\nExec=rm\n", "!rm|!Shortcut"},
	{"hidden", top + "Exec=app\nNoDisplay=true\nHidden=true\nOnlyShowIn=GNOME;\n", "NoDisplay=true|Hidden=true|OnlyShowIn=GNOME;"},
	{"StartupWMClass", top + "Exec=app\nStartupWMClass=App\n", "StartupWMClass=App"},
	{"CRLF", "[Desktop Entry]\r\nType=Application\r\nName=App\r\nExec=app\r\n", "Name=App|" + run + "app|!\r"},
	{"byte order mark", "\ufeff" + top + "Exec=app\n", "[Desktop Entry]|!\ufeff"},
	{"UTF-16", "\xff\xfe[\x00D\x00", "refused: UTF-16"},
	{"NUL", top + "Exec=app\x00\n", "refused: NUL"},
	{"latin1 name", "[Desktop Entry]\nType=Application\nName=\xe4\nExec=app\n", "Name=app|!\xe4"},
	{"latin1 comment", top + "Comment=\xe4\nExec=app\n", "!\xe4"},
	{"latin1 key and group", top + "\xe4=x\nExec=app\n[\xe4]\nExec=rm\n", "!\xe4|!rm"},
	{"latin1 Exec", top + "Exec=\xe4\n", "refused: Exec contains control characters or is not UTF-8"},
	{"latin1 Exec of an action", top + "Exec=app\nActions=x;\n[Desktop Action x]\nName=X\nExec=\xe4\n", run + "app|!Actions"},
	{"latin1 translation", top + "Name[de]=\xe4\nExec=app\n", "!Name[de]"},
	{"newline in a name", "[Desktop Entry]\nType=Application\nName=a\\nb\nExec=app\n", "Name=app"},
	{"escape sequence in a translation", top + "Name[de]=\x1b[2J\nExec=app\n", "!\x1b"},
	{"line separator in a name", "[Desktop Entry]\nType=Application\nName=a\u2028b\nExec=app\n", "Name=app"},
	{"long line", top + "Comment=" + strings.Repeat("x", 1<<20) + "\nExec=app\n", "refused: longer"},
	{"line of 100 KB", top + "Comment=" + strings.Repeat("x", 100<<10) + "\nExec=app\n", "refused: line 4 is longer"},
	{"many lines", top + strings.Repeat("#\n", 20000) + "Exec=app\n", "refused: lines"},
	{"many arguments", top + "Exec=app" + strings.Repeat(" x", 2000) + "\n", "refused: arguments"},
	{"two groups", top + "Exec=rm\n[X]\nExec=x\n[Desktop Entry]\nExec=app\nIcon=i\n", run + "app|Icon=i|Name=App|!rm"},
	{"key twice", top + "Exec=rm\nExec=app\n", run + "app|!rm"},
	{"key before a group", "Type=Application\n" + top, "refused: before the first group"},
	{"other group first", "[X]\n" + top + "Exec=app\n", "refused: first group"},
	{"empty file", "", "refused: empty"},
	{"only a comment", "# x\n", "refused: no group"},
	{"line that is not a key", top + "rubbish\nExec=app\n", "refused: line 4"},
	{"unusual keys", top + "_Comment=x\nX-Vendor_Key=x\nName[]=x\nEx ec=rm\nName[größe]=x\nExec=app\n", run + "app|!_|!Name[|!rm"},
	{"invalid key", top + "Exec[x]y=app\n", "refused: not a valid name of a key"},
	{"key that ends with a space", top + "Name [de]=x\nExec=app\n", "refused: not a valid name of a key"},
	{"invalid locale", top + "Name[=x\nExec=app\n", "refused: not a valid name of a key"},
	{"invalid group", top + "Exec=app\n[a]b]\n", "refused: not a valid name of a group"},
	{"spaces around =", "[Desktop Entry]\nType = Application\nName =  App\nExec = app\n", "Name=App|" + run + "app"},
	{"link", "[Desktop Entry]\nType=Link\nName=x\nURL=file:///\n", "refused: type Link"},
	{"directory", "[Desktop Entry]\nType=Directory\nName=x\n", "refused: type Directory"},
	{"no type", "[Desktop Entry]\nName=x\nExec=app\n", "refused: no Type"},
	{"no name", "[Desktop Entry]\nType=Application\nName[de]=Ding\nExec=app\n", "Name=app|Name[de]=Ding"},
	{"old encoding", top + "Encoding=Legacy-Mixed\nExec=app\n", "refused: Legacy-Mixed"},
	{"UTF-8 as Encoding", top + "Encoding=UTF-8\nExec=app\n", "!Encoding"},
	{"KDE's group", "[KDE Desktop Entry]\nType=Application\nName=x\nExec=app\n", "refused: first group"},
	{"SystemdService", top + "SystemdService=x.service\nExec=app\n", "!Systemd"},
	{"terminal", top + "Terminal=true\nExec=app\n", "Terminal=true"},
	{"unicode", top + "Exec=/opt/größe/✓ %f\n", run + "/opt/größe/✓ %f"},
}

func TestRewrite(t *testing.T) {
	if len(entries) < 60 {
		t.Fatal("only", len(entries))
	}
	for _, c := range entries {
		t.Run(c.name, func(t *testing.T) {
			out, _, err := rewriteText(c.in, testOptions())
			if why, refused := strings.CutPrefix(c.want, "refused: "); refused {
				if err == nil || !strings.Contains(err.Error(), why) {
					t.Fatalf("got %q, %v; want the error %s", out, err, why)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(out, "\n")
			for _, want := range strings.Split(strings.ReplaceAll(c.want, "c|d", "c\x00d"), "|") {
				want = strings.ReplaceAll(want, "\x00", "|")
				if not, ok := strings.CutPrefix(want, "!"); ok {
					if strings.Contains(out, not) {
						t.Errorf("%q is in\n%s", not, out)
					}
				} else if !slices.Contains(lines, want) {
					t.Errorf("no line %q in\n%s", want, out)
				}
			}
			if again, err := Parse([]byte(out)); err != nil || string(again.Bytes()) != out {
				t.Errorf("cannot parse the output: %v\n%s", err, out)
			}
		})
	}
}

func rewriteText(in string, r RewriteOptions) (string, []Dropped, error) {
	e, err := Parse([]byte(in))
	if err != nil {
		return "", nil, err
	}
	out, dropped, err := e.Rewrite(r)
	if err != nil {
		return "", nil, err
	}
	return string(out.Bytes()), dropped, nil
}

// Every dropped part is reported with a reason.
func TestDropped(t *testing.T) {
	_, dropped, err := rewriteText("\ufeff"+top+"Exec=app\r\nTerminalOptions=x\nName[de]=\xff\nActions=x;\n[X]\n", testOptions())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range dropped {
		got = append(got, d.Group+"/"+d.Key)
		if d.Why == "" {
			t.Error("without a reason:", d)
		}
	}
	want := []string{"/", "Desktop Entry/Name[de]", "/", "Desktop Entry/TerminalOptions", "X/", "Desktop Entry/Actions"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// An entry that gets another ID keeps its windows, by StartupWMClass.
func TestRenamed(t *testing.T) {
	r := testOptions()
	r.ID, r.Label, r.HasService = "app.g", " (g)", true
	out, _, err := rewriteText(top+"Name[de]=Ding\nDBusActivatable=true\nExec=app\nActions=x\n[Desktop Action x]\nName=X\n", r)
	if err != nil {
		t.Fatal(err)
	}
	want := "[Desktop Entry]\nType=Application\nName=App (g)\nName[de]=Ding (g)\nDBusActivatable=true\n" +
		"Exec=/usr/bin/chrun -c g --app app.g app\nActions=x;\nTryExec=/usr/bin/chrun\nStartupWMClass=app\n" +
		"[Desktop Action x]\nName=X\n"
	if out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

// desktop-file-validate accepts a rewritten entry if it accepts the original.
func TestValidate(t *testing.T) {
	validate := func(text string) (string, bool) {
		file := filepath.Join(t.TempDir(), "app.desktop")
		os.WriteFile(file, []byte(text), 0o600)
		out, err := exec.Command("desktop-file-validate", file).CombinedOutput()
		return string(out), err == nil
	}
	host, _ := filepath.Glob("/usr/share/applications/*.desktop")
	texts := map[string]string{}
	for _, f := range append(host, chrootEntries()...) {
		data, err := os.ReadFile(f)
		if err == nil {
			texts[f] = string(data)
		}
	}
	for _, c := range entries {
		texts[c.name] = c.in
	}
	accepted := 0
	for name, text := range texts {
		out, _, err := rewriteText(text, testOptions())
		if err != nil {
			continue
		}
		if _, ok := validate(text); !ok {
			continue
		}
		accepted++
		if problems, ok := validate(out); !ok {
			t.Errorf("%s: %s\n%s", name, problems, out)
		}
	}
	if accepted < 30 {
		t.Error("only", accepted, "are valid")
	}
}

func chrootEntries() []string {
	files, _ := filepath.Glob(filepath.Join(os.Getenv("CHRUN_TEST_CHROOT"), "usr/share/applications/*.desktop"))
	return files
}
