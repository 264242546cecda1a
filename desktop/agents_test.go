package desktop

import (
	"slices"
	"testing"

	"chrun/session"
)

func TestAgents(t *testing.T) {
	d := newFixture(t)
	if s := Agents.Detect(d.Facts); s.State != "no agent listens" || len(s.Binds)+len(s.Env) > 0 {
		t.Errorf("%+v", s)
	}
	d.setEnv("SSH_AUTH_SOCK=DIR/agent/s", "SSH_AGENT_PID=7", "GPG_AGENT_INFO=/x:1:1")
	d.socket("agent/s", false)
	if s := Agents.Detect(d.Facts); len(s.Env)+len(s.Binds) > 0 || len(s.Notes) != 1 {
		t.Errorf("dead: %+v", s)
	}
	d.setEnv("SSH_AUTH_SOCK=DIR/agent/t", "SSH_AGENT_PID=7")
	p := d.socket("agent/t", true)
	s := Agents.Detect(d.Facts)
	wantEnv(t, s, map[string]string{"SSH_AUTH_SOCK": p, "SSH_AGENT_PID": "7"})
	wantBinds(t, s, string(d.dir)+"/agent on "+string(d.dir)+"/agent")

	// Symlinks are followed. In the home only the socket is shared.
	d.link(p, "home/.ssh/sock")
	d.setEnv("SSH_AUTH_SOCK=DIR/home/.ssh/sock")
	wantEnv(t, Agents.Detect(d.Facts), map[string]string{"SSH_AUTH_SOCK": p})
	d.setEnv("SSH_AUTH_SOCK=DIR/home/.ssh/agent")
	p = d.socket("home/.ssh/agent", true)
	wantBinds(t, Agents.Detect(d.Facts), p+" on "+p)
	d.setEnv("SSH_AUTH_SOCK=DIR/run/ssh")
	d.socket("run/ssh", true)
	wantBinds(t, Agents.Detect(d.Facts)) // the runtime directory is shared anyway
	d.setEnv("SSH_AUTH_SOCK=agent/t")
	wantEnv(t, Agents.Detect(d.Facts), map[string]string{})

	d.setEnv()
	g := d.socket("home/.gnupg/S.gpg-agent", true)
	h := d.socket("home/.gnupg/S.gpg-agent.ssh", true)
	d.socket("home/.gnupg/S.gpg-agent.extra", false)
	s = Agents.Detect(d.Facts)
	wantBinds(t, s, g+" on "+g, h+" on "+h)
	d.socket("run/gnupg/S.gpg-agent", true)
	if s := Agents.Detect(d.Facts); len(s.Binds) > 0 || s.State != "gpg-agent" {
		t.Errorf("%+v", s)
	}
	d.setEnv("SSH_AUTH_SOCK=/x/y")
	if s := Agents.Hide(d.Facts); !slices.Contains(s.Cover, "/x/y") || !slices.Contains(s.Cover, session.Path(d.dir.Join("run/gnupg/S.gpg-agent"))) {
		t.Errorf("%+v", s)
	}
}
