package desktop

import (
	"path"
	"strings"

	"chrun/session"
)

// Agents shares the caller's programs that hold keys: gpg-agent, and any program
// that acts as ssh-agent. Keyrings need nothing here: they are in the runtime
// directory and on the session bus.
var Agents = session.Feature{
	Name:   "agents",
	Shares: "ssh-agent and gpg-agent",
	// Only GnuPG before 2.1 used GPG_AGENT_INFO: it is always unset.
	Variables: []string{"SSH_AUTH_SOCK", "SSH_AGENT_PID", "GPG_AGENT_INFO"},
	Detect:    detectAgents,
	Hide: func(f *session.Facts) (s session.Share) {
		if p := f.Caller.Env.Get("SSH_AUTH_SOCK"); path.IsAbs(p) {
			s.Cover = []session.Path{session.Path(path.Clean(p))}
		}
		if dir := f.Caller.RuntimeDir; dir != "" {
			for _, name := range gpgSockets {
				s.Cover = append(s.Cover, session.Path(dir.Join("gnupg", name)))
			}
		}
		return s
	},
}

// gpgSockets are the sockets of gpg-agent (gpgconf --list-dirs). The first one
// always exists.
var gpgSockets = []string{"S.gpg-agent", "S.gpg-agent.extra", "S.gpg-agent.browser", "S.gpg-agent.ssh"}

func detectAgents(f *session.Facts) session.Share {
	var s session.Share
	var state []string
	if agent := shareSSHAgent(f, &s); agent != "" {
		state = append(state, agent)
	}
	if agent := shareGPGAgent(f, &s); agent != "" {
		state = append(state, agent)
	}
	s.State = strings.Join(state, ", ")
	if s.State == "" {
		s.State = "no agent listens"
	}
	return s
}

func shareSSHAgent(f *session.Facts, s *session.Share) (state string) {
	c := f.Caller
	value := c.Env.Get("SSH_AUTH_SOCK")
	if value == "" {
		return ""
	}
	socket, ok := c.FindSocket(session.HostPath(value)) // for tmux, people keep a symlink in ~/.ssh
	if !ok {
		s.Notes = append(s.Notes, "SSH_AUTH_SOCK="+value+": no agent listens")
		return ""
	}
	s.Env = append(s.Env, session.Var{Name: "SSH_AUTH_SOCK", Value: string(socket.Path)})
	if pid := c.Env.Get("SSH_AGENT_PID"); pid != "" {
		s.Env = append(s.Env, session.Var{Name: "SSH_AGENT_PID", Value: pid})
	}
	s.Binds = append(s.Binds, sshAgentBinds(f, socket)...)
	return "ssh-agent at " + string(socket.Path)
}

// shareGPGAgent shares the sockets of gpg-agent. Since GnuPG 2.1.13 they are in
// the runtime directory, which is shared anyway, or without one beside the keys.
func shareGPGAgent(f *session.Facts, s *session.Share) (state string) {
	const why = "gpg-agent"
	c := f.Caller
	if dir := c.RuntimeDir; dir != "" {
		if socket, ok := c.FindSocket(dir.Join("gnupg", gpgSockets[0])); ok {
			if !f.PrivateRuntimeDir() {
				s.Binds = append(s.Binds, socket.Binds(f, why)...)
			}
			return "gpg-agent"
		}
	}
	dir := session.HostPath(c.Account.Home).Join(".gnupg")
	if home := c.Env.Get("GNUPGHOME"); path.IsAbs(home) {
		dir = session.HostPath(path.Clean(home))
	}
	if !c.IsListening(dir.Join(gpgSockets[0])) {
		return ""
	}
	for _, name := range gpgSockets {
		if socket, ok := c.FindSocket(dir.Join(name)); ok {
			s.Binds = append(s.Binds, session.Bind{Source: socket.Real, Dest: session.Path(dir.Join(name)), Why: why})
		}
	}
	return "gpg-agent in " + string(dir)
}

// sshAgentBinds binds the socket of an agent, with its directory unless that is
// in the home: there it may contain keys (~/.ssh).
func sshAgentBinds(f *session.Facts, socket session.Socket) []session.Bind {
	const why = "the caller's ssh-agent"
	if socket.Real.IsBelow(session.HostPath(f.Caller.Account.Home)) && !socket.Real.IsBelow(f.Caller.RuntimeDir) {
		return []session.Bind{{Source: socket.Real, Dest: session.Path(socket.Real), Why: why}}
	}
	return socket.Binds(f, why)
}
