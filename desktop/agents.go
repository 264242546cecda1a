package desktop

import (
	"path"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// Agents are the programs of the caller that hold keys: ssh-agent, by whatever
// program, and gpg-agent. Keyrings in the runtime directory and on the session
// bus need nothing.
var Agents = session.Feature{
	Name:   "agents",
	Shares: "ssh-agent and gpg-agent",
	// GPG_AGENT_INFO is that of GnuPG before 2.1, which nobody asks any more.
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

// gpgSockets are gpg-agent's (gpgconf --list-dirs).
var gpgSockets = []string{"S.gpg-agent", "S.gpg-agent.extra", "S.gpg-agent.browser", "S.gpg-agent.ssh"}

func detectAgents(f *session.Facts) session.Share {
	c := f.Caller
	var s session.Share
	var state []string
	if given := c.Env.Get("SSH_AUTH_SOCK"); given != "" {
		// Where links end: people keep one in ~/.ssh for tmux.
		socket, err := rootfs.ResolveHost(session.HostPath(given))
		if err == nil && path.IsAbs(given) && c.Listens(socket) {
			state = append(state, "ssh-agent at "+string(socket))
			s.Env = append(s.Env, session.Var{Name: "SSH_AUTH_SOCK", Value: string(socket)})
			if pid := c.Env.Get("SSH_AGENT_PID"); pid != "" {
				s.Env = append(s.Env, session.Var{Name: "SSH_AGENT_PID", Value: pid})
			}
			s.Binds = append(s.Binds, agentBinds(c, socket)...)
		} else {
			s.Notes = append(s.Notes, "SSH_AUTH_SOCK="+given+": nobody listens")
		}
	}
	// GnuPG 2.1.13 and newer: in the runtime directory, or where there is none
	// beside the keys.
	if dir := c.RuntimeDir; dir != "" && c.Listens(dir.Join("gnupg", gpgSockets[0])) {
		state = append(state, "gpg-agent")
	} else {
		dir := session.HostPath(c.Account.Home).Join(".gnupg")
		if home := c.Env.Get("GNUPGHOME"); path.IsAbs(home) {
			dir = session.HostPath(path.Clean(home))
		}
		for i, name := range gpgSockets {
			if socket := dir.Join(name); c.Listens(socket) {
				s.Binds = append(s.Binds, session.Bind{Source: socket, Dest: session.Path(socket), Why: "gpg-agent"})
			} else if i == 0 {
				break // an agent has that one at least
			}
			if i == 0 {
				state = append(state, "gpg-agent in "+string(dir))
			}
		}
	}
	s.State = strings.Join(state, ", ")
	if s.State == "" {
		s.State = "no agent listens"
	}
	return s
}

// agentBinds shares an agent's socket; in the home that alone, for beside it
// lie keys (~/.ssh) or what the chroot has its own of.
func agentBinds(c *session.Caller, socket session.HostPath) []session.Bind {
	const why = "the caller's ssh-agent"
	if socket.IsBelow(session.HostPath(c.Account.Home)) {
		return []session.Bind{{Source: socket, Dest: session.Path(socket), Why: why}}
	}
	return session.SocketBinds(c, socket, why)
}
