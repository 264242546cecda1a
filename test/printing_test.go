package test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"chrun/internal/headless"
)

// lpstat inside reaches the server in the person's client.conf. The fake server only
// accepts connections, which suffices for lpstat.
func TestPrinting(t *testing.T) {
	u, err := headless.TestUser()
	headless.Must(t, "desktop", err)
	socket := filepath.Join(headless.Dir(t, u), "cups.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			if _, err := l.Accept(); err != nil {
				return
			}
		}
	}()
	d := openDesktop(t, headless.Options{User: u, Home: makeHome(t, map[string]string{".cups/client.conf": "ServerName " + socket + "\n"})})
	d.chrun(both, nil, "lpstat", "-r").wantOutput(t, "scheduler is running")
	if r := d.chrun(both, []string{"--deny", "printing"}, "lpstat", "-r"); r.stdout == "scheduler is running" {
		t.Error("lpstat reaches the server although printing is denied")
	}
}
