package session

import (
	"os/exec"
	"strings"
	"testing"
)

// The script gives the cookie of a server that has another number inside, without
// printing it.
func TestScriptCookie(t *testing.T) {
	if _, err := exec.LookPath("xauth"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	run := func(line string) string {
		out, err := exec.Command("sh", "-euc", line).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
		return string(out)
	}
	run("xauth -f " + dir + "/source add other/unix:10 . aa; xauth -f " + dir + "/source add :0 . c00c1e")
	s := &script{plan: &Plan{}, id: &Identity{}}
	s.node(Node{Path: "Xauthority", Kind: Regular, Mode: 0o600, Data: []byte(secret), SecretFile: HostPath(dir + "/source"), SecretDisplays: []string{":0", ":3"}})
	if text := s.String(); strings.Contains(text, secret) || strings.Contains(text, "c00c1e") {
		t.Error(text)
	}
	run(strings.ReplaceAll(s.String(), scriptTmpfs, dir))
	if out := run("xauth -f " + dir + "/Xauthority list"); strings.Count(out, "\n") > 2 || !strings.Contains(out, ":3  MIT-MAGIC-COOKIE-1  c00c1e\n") {
		t.Errorf("%s", out)
	}
}
