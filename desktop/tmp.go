package desktop

import "chrun/session"

// Tmp shares the host's /tmp, where X servers, agents and input methods have
// sockets, and programs exchange files. The planner mounts it.
var Tmp = session.Feature{
	Name:   "tmp",
	Shares: "the host's /tmp",
	Detect: func(f *session.Facts) session.Share { return session.Share{State: "the host's /tmp"} },
}
