package menu

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"chrun/session"
	"chrun/session/config"
)

// call is a call that a fake server received.
type call struct {
	serial uint32
	member string
	body   []any
}

// serve starts a fake D-Bus server that hands each call to answer.
func serve(t *testing.T, socket string, answer func(io.Writer, call)) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serveClient(c, answer) }()
		}
	}()
}

func serveClient(c net.Conn, answer func(io.Writer, call)) {
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if line == "BEGIN\r\n" {
			break
		}
		io.WriteString(c, "OK 1234\r\n")
	}
	for serial := uint32(1); ; serial++ {
		m, err := dbus.DecodeMessage(in)
		if err != nil {
			return
		}
		answer(c, call{serial, m.Headers[dbus.FieldMember].Value().(string), m.Body})
	}
}

// send sends a message with the headers and the body.
func send(c io.Writer, kind dbus.Type, headers map[dbus.HeaderField]any, body ...any) {
	m := &dbus.Message{Type: kind, Headers: map[dbus.HeaderField]dbus.Variant{}, Body: body}
	for field, v := range headers {
		m.Headers[field] = dbus.MakeVariant(v)
	}
	m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	if err := m.EncodeTo(c, binary.LittleEndian); err != nil && !errors.Is(err, net.ErrClosed) {
		panic(err)
	}
}

func reply(c io.Writer, to call, body ...any) {
	send(c, dbus.TypeMethodReply, map[dbus.HeaderField]any{dbus.FieldReplySerial: to.serial}, body...)
}

func replyError(c io.Writer, to call, text string) {
	send(c, dbus.TypeError, map[dbus.HeaderField]any{dbus.FieldReplySerial: to.serial, dbus.FieldErrorName: "org.x.Error"}, text)
}

func sendJobRemoved(c io.Writer, unit, result string) {
	send(c, dbus.TypeSignal, map[dbus.HeaderField]any{dbus.FieldPath: dbus.ObjectPath("/org/freedesktop/systemd1"),
		dbus.FieldInterface: "org.freedesktop.systemd1.Manager", dbus.FieldMember: "JobRemoved"}, uint32(1), dbus.ObjectPath("/job/1"), unit, result)
}

// newCaller returns a caller with a new runtime directory.
func newCaller(t *testing.T) *session.Caller {
	t.Helper()
	dir, err := os.MkdirTemp("", "menu") // short: the path of a socket has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return &session.Caller{UID: os.Getuid(), RuntimeDir: session.HostPath(dir), Host: "/", Listeners: session.LazyListeners(),
		Env: session.Environ{"DBUS_SESSION_BUS_ADDRESS=unix:path=" + dir + "/bus"}}
}

func newLaunch(t *testing.T, command ...string) Launch {
	t.Helper()
	conf, err := config.Load(config.Source{System: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return Launch{Tree: "/nonexistent", Config: conf, Command: command}
}

// The scope is created for this process, and its job is awaited.
func TestScope(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(c io.Writer, to call, unit string)
		note   string
	}{
		{"done", func(c io.Writer, to call, unit string) {
			sendJobRemoved(c, "other.scope", "failed")
			reply(c, to, dbus.ObjectPath("/job/1"))
			sendJobRemoved(c, unit, "done")
		}, ""},
		{"signal before reply", func(c io.Writer, to call, unit string) {
			sendJobRemoved(c, unit, "done")
			reply(c, to, dbus.ObjectPath("/job/1"))
		}, ""},
		{"failed job", func(c io.Writer, to call, unit string) {
			reply(c, to, dbus.ObjectPath("/job/1"))
			sendJobRemoved(c, unit, "canceled")
		}, `no systemd scope: the job ended with "canceled"`},
		{"refused", func(c io.Writer, to call, unit string) { replyError(c, to, "not today") }, "no systemd scope: not today"},
		{"garbage", func(c io.Writer, to call, unit string) { io.WriteString(c, strings.Repeat("\xff", 64)) }, "no systemd scope: the D-Bus server sent an invalid message"},
		{"stalled", func(io.Writer, call, string) {}, "no systemd scope: connection timed out"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			caller, calls := newCaller(t), make(chan call, 1)
			serve(t, string(caller.RuntimeDir.Join("systemd/private")), func(c io.Writer, got call) {
				calls <- got
				test.answer(c, got, got.body[0].(string))
			})
			var p Pending
			begin := time.Now()
			p.startScope(caller, "org.x.App")
			note, warning := p.Finish(newLaunch(t))
			if note != test.note || warning != "" {
				t.Errorf("note %q, warning %q; want the note %q", note, warning, test.note)
			}
			if took := time.Since(begin); took > answerTime+5*time.Second {
				t.Errorf("it took %v", took)
			}
			got := <-calls
			want := fmt.Sprintf(`fail [[Description "org.x.App"] [Slice "app.slice"] [CollectMode "inactive-or-failed"] [PIDs [%d]]] []`, os.Getpid())
			if text := strings.ReplaceAll(fmt.Sprintln(got.body[1:]...), "@au ", ""); got.member != "StartTransientUnit" || strings.TrimSpace(text) != want {
				t.Errorf("%s %s\nwant %s", got.member, text, want)
			}
		})
	}
}

func TestNoManager(t *testing.T) {
	var p Pending
	caller := newCaller(t)
	p.startScope(caller, "org.x.App")
	caller.RuntimeDir = ""
	p.startScope(caller, "org.x.App")
	if note, _ := p.Finish(newLaunch(t)); note != "" {
		t.Error(note)
	}
}

func TestScopeName(t *testing.T) {
	for app, want := range map[string]string{
		"org.x.App":              `app-chrun-org\.x\.App-[0-9a-f]{8}\.scope`,
		"org.x.My-App":           `app-chrun-org\.x\.My\\x2dApp-[0-9a-f]{8}\.scope`,
		"a ü":                    `app-chrun-a\\x20\\xc3\\xbc-[0-9a-f]{8}\.scope`,
		strings.Repeat("x", 220): `app-chrun-x{220}-[0-9a-f]{8}\.scope`,
		strings.Repeat("x", 221): `app-chrun-chrun-[0-9a-f]{8}\.scope`,
	} {
		if got := scopeName(app); !regexp.MustCompile("^"+want+"$").MatchString(got) || len(got) > 255 {
			t.Errorf("%q: %q", app, got)
		}
	}
	if first, second := scopeName("a"), scopeName("a"); first == second {
		t.Error("two scopes have the same name")
	}
}

// The warning names the process that owns the name, unless it is in the tree.
func TestInstance(t *testing.T) {
	pid := uint32(os.Getpid()) // runs on the host
	here := fmt.Sprintf("org.x.App already runs on the host (process %d): the new window will open there", pid)
	for _, test := range []struct {
		name, app, chroot string
		answer            func(c io.Writer, to call)
		command           []string
		tree              session.HostPath
		want              string
	}{
		{"on the host", "org.x.App", "box", func(c io.Writer, to call) { reply(c, to, pid) }, nil, "", here},
		{"with an option", "org.x.App", "", func(c io.Writer, to call) { reply(c, to, pid) }, []string{"/usr/bin/gedit", "x"}, "", here + "; to start a separate instance: gedit --standalone"},
		{"without an option", "org.x.App", "", func(c io.Writer, to call) { reply(c, to, pid) }, []string{"tool"}, "", here + "; to avoid that, quit it first, or see whether tool --help lists an option for a separate instance"},
		{"renamed", "org.x.App.box", "box", func(c io.Writer, to call) { reply(c, to, pid) }, nil, "", here},
		{"in the tree", "org.x.App", "", func(c io.Writer, to call) { reply(c, to, pid) }, nil, "/", ""},
		{"ended", "org.x.App", "", func(c io.Writer, to call) { reply(c, to, uint32(1<<31)) }, nil, "", ""},
		{"no owner", "org.x.App", "", func(c io.Writer, to call) { replyError(c, to, "no such name") }, nil, "", ""},
		{"garbage", "org.x.App", "", func(c io.Writer, to call) { io.WriteString(c, strings.Repeat("\xff", 64)) }, nil, "", ""},
		{"stalled", "org.x.App", "", func(io.Writer, call) {}, nil, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			caller := newCaller(t)
			serve(t, string(caller.RuntimeDir.Join("bus")), func(c io.Writer, got call) {
				switch {
				case got.member == "Hello" && got.serial == 1:
					reply(c, got, ":1.1")
				case got.member == "GetConnectionUnixProcessID" && fmt.Sprint(got.body...) == "org.x.App":
					test.answer(c, got)
				default:
					t.Errorf("unexpected call %+v", got)
				}
			})
			l := newLaunch(t, test.command...)
			if test.tree != "" {
				l.Tree = test.tree
			}
			var p Pending
			begin := time.Now()
			p.findOwner(caller, busName(test.app, test.chroot))
			note, warning := p.Finish(l)
			if note != "" || warning != test.want {
				t.Errorf("note %q, warning %q\nwant the warning %q", note, warning, test.want)
			}
			if took := time.Since(begin); took > answerTime+5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// An ID that cannot be a name on a bus, and a caller without a bus.
func TestNoBus(t *testing.T) {
	caller := newCaller(t)
	serve(t, string(caller.RuntimeDir.Join("bus")), func(_ io.Writer, got call) { t.Errorf("unexpected call %+v", got) })
	var p Pending
	p.findOwner(caller, "tool")
	caller.Env = session.Environ{"DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent"}
	caller.RuntimeDir = ""
	p.findOwner(caller, "org.x.App")
	if p.bus != nil {
		t.Error("connected")
	}
}

// Root, and a process with another uid than the caller, send nothing.
func TestOtherCaller(t *testing.T) {
	caller := newCaller(t)
	for _, socket := range []string{"bus", "systemd/private"} {
		serve(t, string(caller.RuntimeDir.Join(socket)), func(_ io.Writer, got call) { t.Errorf("unexpected call %+v", got) })
	}
	for _, uid := range []int{0, os.Getuid() + 1} {
		caller.UID = uid
		p := Begin(caller, "org.x.App", "")
		if note, warning := p.Finish(newLaunch(t)); note != "" || warning != "" {
			t.Errorf("uid %d: %q, %q", uid, note, warning)
		}
	}
}

func TestFindPlace(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"box/usr", "mirror", "other/usr", "conf/chroots"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("../box/usr", dir+"/mirror/usr"),
		os.WriteFile(dir+"/conf/chroots/box.toml", []byte("path = '"+dir+"/box'\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	conf, err := config.Load(config.Source{System: dir + "/conf"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ root, tree, want string }{
		{dir + "/box", dir + "/other", "in box"},
		{dir + "/mirror", dir + "/other", "in box"},
		{dir + "/other", dir + "/box", "elsewhere"},
		{"/", dir + "/box", "on the host"},
		{dir + "/box", dir + "/box", ""},
		{dir + "/mirror", dir + "/box", ""},
		{dir + "/missing", dir + "/box", ""},
	} {
		if got := findPlace(session.HostPath(test.root), Launch{Tree: session.HostPath(test.tree), Config: conf}); got != test.want {
			t.Errorf("%s, launching %s: %q, want %q", test.root, test.tree, got, test.want)
		}
	}
}

func TestValidID(t *testing.T) {
	for id, want := range map[string]bool{"org.x.App": true, "a": true, "ü": true, "": false, "a/b": false, "a b": true, "Baldur's Gate 3": true, " a": false, "a ": false, "a;b": false, "a\n": false, "\x7f": false,
		strings.Repeat("x", 200): true, strings.Repeat("x", 201): false} {
		if ValidID(id) != want {
			t.Errorf("%q is valid: %v", id, !want)
		}
	}
}
