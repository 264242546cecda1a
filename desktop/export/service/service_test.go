package service

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"chrun/desktop/dbus"
	"chrun/internal/headless"
	"chrun/session/rootfs"
)

// recorder names the file to which the test program, started as the service, writes
// its arguments.
const recorder = "CHRUN_TEST_SERVICE"

func TestMain(m *testing.M) {
	file := os.Getenv(recorder)
	if file == "" {
		os.Exit(m.Run())
	}
	err := os.WriteFile(file, []byte(strings.Join(os.Args[1:], "\x00")), 0o644)
	var bus *dbus.Conn
	if err == nil {
		bus, err = callBus(os.Getenv("DBUS_STARTER_ADDRESS"), "RequestName", "org.example.Ours")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	<-bus.Context().Done() // until the bus ends
}

// call calls a method of the bus at address ("unix:path=…") with a name.
func callBus(address, member, name string) (*dbus.Conn, error) {
	socket, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(address), "unix:path="), ",")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	bus, err := dbus.Connect(ctx, socket)
	if err != nil {
		return nil, err
	}
	return bus, bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus."+member, 0, name, uint32(0)).Err
}

// specialArgs need quotes, or look as if they did.
var specialArgs = []string{"-c", "gentoo", "two words", "it's", `"q"`, `b\s`, "$HOME", "`x`", "#no", "", "ä", "a\tb\nc", "%U", "--app=org.example.Ours", "*", "~", "\\"}

// A real bus starts the command with exactly these arguments.
func TestActivation(t *testing.T) {
	daemon, err := exec.LookPath("dbus-daemon")
	headless.Must(t, "desktop", err)
	dir := t.TempDir()
	services := filepath.Join(dir, "share/dbus-1/services")
	if err := os.MkdirAll(services, 0o755); err != nil {
		t.Fatal(err)
	}
	text := Format("org.example.Ours", append([]string{os.Args[0]}, specialArgs...))
	if err := os.WriteFile(services+"/org.example.Ours.service", text, 0o644); err != nil {
		t.Fatal(err)
	}
	config := `<busconfig><type>session</type><listen>unix:path=` + dir + `/bus</listen><servicedir>` + services + `</servicedir>
		<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`
	if err := os.WriteFile(dir+"/bus.conf", []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(daemon, "--config-file="+dir+"/bus.conf", "--print-address", "--nofork", "--nopidfile")
	cmd.Env = append(os.Environ(), recorder+"="+dir+"/args")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	address, _ := bufio.NewReader(out).ReadString('\n')
	bus, err := callBus(address, "StartServiceByName", "org.example.Ours")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	defer bus.Close()
	got, _ := os.ReadFile(dir + "/args")
	if args := strings.Split(string(got), "\x00"); !slices.Equal(args, specialArgs) {
		t.Errorf("got %q\nwant %q", args, specialArgs)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"tree/usr/share/dbus-1/services/org.a.B.service":          "[D-BUS Service]\nName=org.a.B\nExec=/usr/bin/b  --gapplication-service 'x y'\nSystemdService=b.service\n",
		"tree/usr/share/dbus-1/services/org.a.Other.service":      "[D-BUS Service]\nName=org.a.B\nExec=/bin/false\n",
		"tree/usr/share/dbus-1/services/org.a.Group.service":      "[Other]\nName=org.a.Group\nExec=/bin/false\n",
		"tree/usr/share/dbus-1/services/org.a.Quote.service":      "[D-BUS Service]\nName=org.a.Quote\nExec='x\n",
		"tree/usr/share/dbus-1/services/org.a.Large.service":      "[D-BUS Service]\nName=org.a.Large\nExec=x\n" + strings.Repeat("#", maxFile),
		"tree/usr/share/dbus-1/services/org.a.Both.service":       "[D-BUS Service]\nName=org.a.Both\nExec=low\n",
		"tree/usr/local/share/dbus-1/services/org.a.Both.service": "# x\r\n[D-BUS Service]\r\nName = org.a.Both\r\nExec = a\\\\\\\\b\r\n",
		"secret.service": "[D-BUS Service]\nName=org.a.Secret\nExec=x\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	os.Symlink(dir+"/secret.service", dir+"/tree/usr/share/dbus-1/services/org.a.Secret.service")
	root, err := rootfs.Open(rootfs.HostPath(dir + "/tree"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, want := range map[string][]string{
		"org.a.B": {"/usr/bin/b", "--gapplication-service", "x y"}, "org.a.Both": {`a\b`}, "org.a.Other": nil, "org.a.Group": nil,
		"org.a.Quote": nil, "org.a.Large": nil, "org.a.Secret": nil, "../services/org.a.B": nil, "": nil, "org.a.None": nil,
	} {
		if got, ok := FindCommand(root, name); !reflect.DeepEqual(got, want) || ok != (want != nil) {
			t.Errorf("%s: %q", name, got)
		}
	}
	for name, want := range map[string]string{"org.a.B": "org.a.B.service", "org.a.Large": "", "org.a.Group": "", "org.a.Secret": "org.a.Secret.service", "org.a": ""} {
		got, ok := FindOnHost([]string{dir + "/none", dir + "/tree/usr/local/share", dir + "/tree/usr/share"}, "", name, "")
		if ok != (want != "") || ok && filepath.Base(got) != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestValidName(t *testing.T) {
	for name, want := range map[string]bool{"org.a": true, "org.a-b._c1": true, "org": false, "org.1a": false, "org..a": false, ":1.2": false,
		"org/a.b": false, ".org.a": false, "org.a.": false, "org.ä": false, "": false, "a." + strings.Repeat("b", 254): false} {
		if isValidName(name) != want {
			t.Errorf("%q", name)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, a := range specialArgs {
		f.Add("/usr/bin/chrun", a)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		text := string(Format("org.a.B", []string{a, b}))
		if strings.ContainsAny(a+b, "\x00") || strings.ToValidUTF8(text, "") != text {
			return // cannot be an argument, or in the file
		}
		s, ok := parse(text)
		argv, err := SplitCommand(s.exec)
		if !ok || err != nil || s.name != "org.a.B" || !slices.Equal(argv, []string{a, b}) {
			t.Errorf("%q: %q, %v", text, argv, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("[D-BUS Service]\nName=a.b\nExec=x 'y' # z\n")
	f.Fuzz(func(t *testing.T, text string) {
		if s, ok := parse(text); ok {
			SplitCommand(s.exec)
		}
	})
}
