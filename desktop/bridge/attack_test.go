package bridge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"chrun/session"
)

// A token with control characters would forge lines in what the host's programs
// write down, and variables in what they pass on.
func TestTokenAttack(t *testing.T) {
	for token, want := range map[string]string{
		"tok\nXDG_ACTIVATION_TOKEN=x": "", "tok\r": "", "tok\x1b[31m": "", "a b": "", "\xff": "", strings.Repeat("x", maxToken+1): "",
		"gnome-shell/Text Editor/1234-0-host_TIME5": "", "gnome-shell/foot/1234-0-host_TIME5": "gnome-shell/foot/1234-0-host_TIME5",
	} {
		socket, log := serve(t, os.Getuid(), map[string]string{"xdg-open": record})
		if answer := sendRaw(t, socket, "uri\x00http://x\x00"+token+"\x00\x00"); answer != "\x00" {
			t.Errorf("%.50q: not opened: %q", token, answer)
		}
		checkLog(t, log, want+"|"+want+"|http://x")
		c := newTestClient(socket)
		if c.Token = token; c.Open(Target{URI: "http://y"}) != nil {
			t.Errorf("%.50q: the client does not open it", token)
		}
		checkLog(t, log, want+"|"+want+"|http://x\n"+want+"|"+want+"|http://y")
	}
}

// A host or user that begins with "-" is an option of the program that the link's
// handler runs (CVE-2017-12836, CVE-2017-1000117 and their like).
func TestOptionAttack(t *testing.T) {
	for _, uri := range []string{
		"ssh://-oProxyCommand=touch%20x", "ssh://-oProxyCommand=x/y", "ssh://user@-oProxyCommand=x", "ssh://%2DoProxyCommand=x", "ssh://user@%2doProxyCommand=x",
		"ssh://-ox@host", "git+ssh://-ox/y", "telnet://-nfile", "telnet:-nfile", "ssh:%2dox", "ssh:/-ox", "ssh:///-ox", "SSH://-ox", "ssh://a@b@-ox", "ssh://a:b@-x", "ssh://[-ox]",
		"ssh://a/@-x/../",
	} {
		_, err := Parse(uri, "host")
		if bad := (*RefusedError)(nil); !errors.As(err, &bad) != (uri == "ssh://a/@-x/../") {
			t.Errorf("%s: %v", uri, err)
		}
	}
	for _, uri := range []string{"http://a-b/-x", "http://a/?-x", "mailto:a@b?subject=-x", "ssh://a@b-", "http:///-"} {
		if _, err := Parse(uri, "host"); (err == nil) == (uri == "http:///-") {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

// Links that mean programs, settings or files of the host by their names.
func TestSchemeAttack(t *testing.T) {
	socket, log := serve(t, os.Getuid(), map[string]string{"xdg-open": record})
	for _, uri := range []string{"admin:///etc/shadow", "Applications:///x.desktop", "programs:/x", "desktop:/x.desktop", "recent:///x", "recentlyused:/files",
		"settings:/x", "systemsettings:kcm_users", "exec:x", "archive://file%3A%2F%2F%2Fetc", "tar:/etc/x.tar", "view-source:file:///etc/passwd"} {
		_, err := Parse(uri, "host")
		if bad := (*RefusedError)(nil); !errors.As(err, &bad) || bad.Why == "" {
			t.Errorf("%s: %v", uri, err)
		}
		if answer := sendRaw(t, socket, "uri\x00"+uri+"\x00\x00\x00"); answer == "" || answer[0] != 1 {
			t.Errorf("%s is opened by the server: %q", uri, answer)
		}
	}
	checkLog(t, log, "")
}

// Links without anything after the scheme open the program, or a place.
func TestOrdinarySchemes(t *testing.T) {
	for _, uri := range []string{"steam:", "steam://open/games", "steam://run/440", "obsidian://", "obsidian://open?vault=x", "slack://", "slack:", "mailto:", "mailto:a@b",
		"trash:", "trash:/", "trash:///", "computer:///", "network:", "network:///", "smb://", "tg://resolve?domain=x", "magnet:?xt=urn:btih:1", "tel:+1"} {
		if got, err := Parse(uri, "host"); err != nil || got.URI != uri {
			t.Errorf("%s: %+v, %v", uri, got, err)
		}
	}
	for _, uri := range []string{"http:", "https://", "ftp:///", "ssh:", "sftp://"} {
		if _, err := Parse(uri, "host"); err == nil {
			t.Errorf("%s is accepted", uri)
		}
	}
}

// A bus that accepts and says nothing more, or one that says its hello and leaves the
// next call without an answer, is waited for two seconds, not for ten minutes.
func TestBusStalls(t *testing.T) {
	for _, stage := range []string{"nothing", "no hello", "no match"} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			socket := filepath.Join(t.TempDir(), "bus")
			l, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				stall(conn, stage)
			}()
			begin := time.Now()
			c := &Client{Bus: socket, Paths: session.PathMap{{"/", "/"}}}
			err = c.Open(Target{URI: "http://x"})
			if took := time.Since(begin); err == nil || took > 2*connectTime || !errors.Is(err, ErrBusStalls) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v after %v", err, took)
			}
		})
	}
}

// stall speaks the bus's side of the authentication as far as stage says.
func stall(conn net.Conn, stage string) {
	in := bufio.NewReader(conn)
	if stage == "nothing" {
		in.ReadByte()
	} else {
		in.ReadByte()
		for {
			line, err := in.ReadString('\n')
			switch {
			case err != nil:
				return
			case strings.HasPrefix(line, "AUTH EXTERNAL"):
				conn.Write([]byte("OK 0123456789abcdef0123456789abcdef\r\n"))
				continue
			case strings.HasPrefix(line, "AUTH"):
				conn.Write([]byte("REJECTED EXTERNAL\r\n"))
				continue
			case strings.HasPrefix(line, "NEGOTIATE"):
				conn.Write([]byte("AGREE_UNIX_FD\r\n"))
				continue
			}
			break // BEGIN
		}
		if stage == "no match" {
			answerHello(conn, in)
		}
	}
	for {
		if _, err := in.ReadByte(); err != nil {
			return
		}
	}
}

// answerHello answers the bus's first call.
func answerHello(conn net.Conn, in *bufio.Reader) {
	hello, err := dbus.DecodeMessage(in)
	if err != nil {
		return
	}
	answer := &dbus.Message{Type: dbus.TypeMethodReply, Body: []any{":1.1"}, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(hello.Serial()), dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(":1.1")),
		dbus.FieldSender: dbus.MakeVariant("org.freedesktop.DBus")}}
	var b bytes.Buffer
	answer.EncodeTo(&b, binary.LittleEndian)
	data := b.Bytes()
	data[8] = 1 // a serial of its own, which EncodeTo leaves 0
	conn.Write(data)
}
