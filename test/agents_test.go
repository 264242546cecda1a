package test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// ssh-add inside uses the host's ssh-agent, wherever its socket is.
func TestSSHAgent(t *testing.T) {
	d := openDesktop(t, headless.Options{Home: makeHome(t, map[string]string{".ssh/config": ""})})
	dir := headless.Dir(t, d.User)
	key := filepath.Join(dir, "key")
	if _, err := d.Output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "chrun-test-key", "-f", key); err != nil {
		t.Fatal(err)
	}
	for _, socket := range []string{
		filepath.Join(dir, "agent"), filepath.Join(d.RuntimeDir, "agent"),
		filepath.Join(d.Getenv("HOME"), ".ssh/agent"), filepath.Join(d.Getenv("HOME"), "agent.sock"),
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		agent := d.Command(ctx, "ssh-agent", "-D", "-a", socket)
		if err := agent.Start(); err != nil {
			t.Fatal(err)
		}
		withAgent := mode{socket, func(env []string) []string { return append(env, "SSH_AUTH_SOCK="+socket) }}
		waitFor(t, 5*time.Second, "the agent", func() bool {
			cmd := d.Command(ctx, "ssh-add", "-q", key)
			cmd.Env = withAgent.env(cmd.Env)
			return cmd.Run() == nil
		})
		d.chrun(withAgent, nil, "ssh-add", "-l").wantOutput(t, "chrun-test-key")
		r := d.chrun(withAgent, []string{"--deny", "agents"}, "sh", "-c", "echo ${SSH_AUTH_SOCK-unset}; SSH_AUTH_SOCK="+socket+" ssh-add -l")
		if !strings.HasPrefix(r.stdout, "unset") || strings.Contains(r.stdout, "chrun-test-key") {
			t.Errorf("denied, %s: %s %s", socket, r.stdout, r.stderr)
		}
		cancel()
		agent.Wait()
		// An agent that has ended is not shared.
		if r := d.chrun(withAgent, nil, "sh", "-c", "echo ${SSH_AUTH_SOCK-unset}"); r.stdout != "unset" {
			t.Errorf("an agent that has ended is shared: %s", r.stdout)
		}
	}
}

// gpg-connect-agent inside finds the host's gpg-agent, whose socket is in the
// runtime directory, or in ~/.gnupg if the runtime directory is not the usual one.
func TestGPGAgent(t *testing.T) {
	for _, private := range []bool{false, true} {
		d := openDesktop(t, headless.Options{Private: private, Home: makeHome(t, map[string]string{".gnupg/gpg.conf": ""})})
		// The agent starts in the background.
		pid, err := d.Output("gpg-connect-agent", "getinfo pid", "/bye")
		if err != nil || !strings.HasPrefix(pid, "D ") {
			t.Fatalf("%q, %v", pid, err)
		}
		pid, _, _ = strings.Cut(pid, "\n")
		d.chrun(both, nil, "gpg-connect-agent", "--no-autostart", "getinfo pid", "/bye").wantOutput(t, pid)
		r := d.chrun(both, []string{"--deny", "agents"}, "gpg-connect-agent", "--no-autostart", "getinfo pid", "/bye")
		if strings.Contains(r.stdout, pid) {
			t.Errorf("denied: %s", r.stdout)
		}
		d.Close() // also ends the agent
	}
}
