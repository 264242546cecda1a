package desktop

import (
	"slices"
	"testing"

	"chrun/internal/fakedesk"
	"chrun/session"
)

func TestAgents(t *testing.T) {
	d := fakedesk.New(t)
	if s := Agents.Detect(d.Facts); s.State != "no agent listens" || len(s.Binds)+len(s.Env) > 0 {
		t.Errorf("%+v", s)
	}
	d.SetEnv("SSH_AUTH_SOCK=DIR/agent/s", "SSH_AGENT_PID=7", "GPG_AGENT_INFO=/x:1:1")
	d.Socket("agent/s", false)
	if s := Agents.Detect(d.Facts); len(s.Env)+len(s.Binds) > 0 || len(s.Notes) != 1 {
		t.Errorf("dead: %+v", s)
	}
	d.SetEnv("SSH_AUTH_SOCK=DIR/agent/t", "SSH_AGENT_PID=7")
	p := d.Socket("agent/t", true)
	s := Agents.Detect(d.Facts)
	fakedesk.WantEnv(t, s, map[string]string{"SSH_AUTH_SOCK": p, "SSH_AGENT_PID": "7"})
	fakedesk.WantBinds(t, s, string(d.Dir)+"/agent on "+string(d.Dir)+"/agent")

	// Symlinks are followed. In the home only the socket is shared.
	d.Link(p, "home/.ssh/sock")
	d.SetEnv("SSH_AUTH_SOCK=DIR/home/.ssh/sock")
	fakedesk.WantEnv(t, Agents.Detect(d.Facts), map[string]string{"SSH_AUTH_SOCK": p})
	d.SetEnv("SSH_AUTH_SOCK=DIR/home/.ssh/agent")
	p = d.Socket("home/.ssh/agent", true)
	fakedesk.WantBinds(t, Agents.Detect(d.Facts), p+" on "+p)
	d.SetEnv("SSH_AUTH_SOCK=DIR/run/ssh")
	d.Socket("run/ssh", true)
	fakedesk.WantBinds(t, Agents.Detect(d.Facts)) // the runtime directory is shared anyway
	d.SetEnv("SSH_AUTH_SOCK=agent/t")
	fakedesk.WantEnv(t, Agents.Detect(d.Facts), map[string]string{})

	d.SetEnv()
	g := d.Socket("home/.gnupg/S.gpg-agent", true)
	h := d.Socket("home/.gnupg/S.gpg-agent.ssh", true)
	d.Socket("home/.gnupg/S.gpg-agent.extra", false)
	s = Agents.Detect(d.Facts)
	fakedesk.WantBinds(t, s, g+" on "+g, h+" on "+h)
	d.Socket("run/gnupg/S.gpg-agent", true)
	if s := Agents.Detect(d.Facts); len(s.Binds) > 0 || s.State != "gpg-agent" {
		t.Errorf("%+v", s)
	}
	d.SetEnv("SSH_AUTH_SOCK=/x/y")
	if s := Agents.Hide(d.Facts); !slices.Contains(s.Cover, "/x/y") || !slices.Contains(s.Cover, session.Path(d.Dir.Join("run/gnupg/S.gpg-agent"))) {
		t.Errorf("%+v", s)
	}
}
