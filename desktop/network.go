package desktop

import "chrun/session"

// Network shares the host's network namespace. If it is denied, the planner makes
// a new one.
var Network = session.Feature{
	Name:   "network",
	Shares: "the host's network, and its abstract sockets",
	Detect: func(f *session.Facts) session.Share { return session.Share{State: "the host's"} },
	Hide: func(f *session.Facts) session.Share {
		return session.Share{
			State: "a new one with only loopback",
			// unix(7): abstract names belong to the network namespace.
			Notes: []string{"abstract sockets belong to the network: some X servers, input methods and buses, which listen only there, are unreachable too"},
		}
	},
}
