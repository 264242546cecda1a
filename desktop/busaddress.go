package desktop

import (
	"fmt"
	"path"
	"strings"

	"chrun/session"
)

// address is one D-Bus server address (D-Bus Specification, "Server
// Addresses"): transport:key=value[,key=value…].
type address struct {
	transport string
	params    []param
}

type param struct{ key, value string }

// parseAddresses parses a list separated by ';'. It skips invalid addresses, and
// the key guid, because a restarted bus has another one.
func parseAddresses(list string) (addresses []address) {
next:
	for _, entry := range strings.Split(list, ";") {
		transport, rest, ok := strings.Cut(entry, ":")
		if !ok || transport == "" {
			continue
		}
		a := address{transport: transport}
		if rest != "" {
			for _, kv := range strings.Split(rest, ",") {
				key, value, ok := strings.Cut(kv, "=")
				value, escaped := unescape(value)
				if !ok || !escaped || key == "" || a.get(key) != "" {
					continue next
				}
				if key != "guid" {
					a.params = append(a.params, param{key, value})
				}
			}
		}
		addresses = append(addresses, a)
	}
	return addresses
}

func (a address) get(key string) string {
	for _, p := range a.params {
		if p.key == key {
			return p.value
		}
	}
	return ""
}

// String returns the address, escaped where the specification requires it.
func (a address) String() string {
	var b strings.Builder
	b.WriteString(a.transport + ":")
	for i, p := range a.params {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(p.key + "=")
		for _, c := range []byte(p.value) {
			if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte(`-_/.\*`, c) >= 0 {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02x", c)
			}
		}
	}
	return b.String()
}

// unescape decodes %XX. It returns false for a '%' without two hexadecimal digits.
func unescape(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		high, low := hexDigit(s[i+1]), hexDigit(s[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		b.WriteByte(byte(high<<4 | low))
		i += 2
	}
	return b.String(), true
}

// hexDigit returns the value of c, or -1.
func hexDigit(c byte) int {
	if c >= 'A' && c <= 'F' {
		c += 'a' - 'A'
	}
	return strings.IndexByte("0123456789abcdef", c)
}

// chooseReachable returns the addresses of a list that a program inside can
// connect to, and the binds that this requires. Notes explain why the others
// are skipped. An address that starts a bus is skipped, because that would not
// share the caller's bus.
func chooseReachable(f *session.Facts, list, why string) (addresses []address, binds []session.Bind, notes []string) {
	for _, a := range parseAddresses(list) {
		if reason := whyUnreachable(f, a); reason != "" {
			notes = append(notes, fmt.Sprintf("%s: %s", a, reason))
			continue
		}
		if p, ok := a.socket(); ok {
			socket, _ := f.Caller.FindSocket(p)
			binds = append(binds, socket.Binds(f, why)...)
			a = unixAddress(string(socket.Path))
		}
		addresses = append(addresses, a)
	}
	return addresses, binds, notes
}

// whyUnreachable returns why a program inside cannot connect to a, or "".
func whyUnreachable(f *session.Facts, a address) string {
	socket, isPath := a.socket()
	abstract := a.get("abstract")
	isAbstract := a.transport == "unix" && abstract != ""
	switch {
	case isPath && !f.Caller.IsListening(socket):
		return "no server listens"
	case isPath:
		return ""
	case isAbstract && !f.Allowed("network"):
		return "it is an abstract socket, and the network is denied"
	case isAbstract && !f.Caller.Listeners().Names["@"+abstract]:
		return "no server listens"
	case isAbstract:
		return ""
	case a.transport == "tcp" && !f.Allowed("network"):
		return "the network is denied"
	case a.transport == "tcp":
		return ""
	}
	return "not an address of a running server"
}

// socket returns the path of the socket that a names, if it has one.
func (a address) socket() (session.HostPath, bool) {
	if p := a.get("path"); a.transport == "unix" && path.IsAbs(p) {
		return session.HostPath(path.Clean(p)), true
	}
	return "", false
}

// SocketIn returns the first socket in a list of addresses: a path, or "@" and an
// abstract name. It returns "" if there is none.
func SocketIn(list string) string {
	for _, a := range parseAddresses(list) {
		if p := a.get("path"); p != "" {
			return p
		} else if name := a.get("abstract"); name != "" {
			return "@" + name
		}
	}
	return ""
}

// joinAddresses formats addresses as a list.
func joinAddresses(addresses []address) string {
	list := make([]string, len(addresses))
	for i, a := range addresses {
		list[i] = a.String()
	}
	return strings.Join(list, ";")
}

// unixAddress returns the address of the socket at p.
func unixAddress(p string) address { return address{"unix", []param{{"path", p}}} }

// hideBus hides the sockets that a list of addresses names. Abstract sockets
// cannot be hidden, which a note says.
func hideBus(list string) (s session.Share) {
	for _, a := range parseAddresses(list) {
		if socket, ok := a.socket(); ok {
			s.Cover = append(s.Cover, session.Path(socket))
		} else if a.get("abstract") != "" {
			s.Notes = append(s.Notes, a.String()+" stays reachable: only denying the network hides an abstract socket")
		}
	}
	return s
}

// refusesUID is the state of a bus that is not shared with a program of another
// uid.
const refusesUID = "none: the bus accepts only programs with your uid"

// relayBus shares a bus with a program of another uid, which the bus would
// refuse: a relay of chrun listens at the path inside, and connects as the
// caller.
func relayBus(addresses []address, inside session.Path, variable string, notes []string) session.Share {
	for _, a := range addresses {
		bus := a.get("path")
		if abstract := a.get("abstract"); abstract != "" {
			bus = "@" + abstract
		}
		if bus == "" {
			continue // over TCP
		}
		return session.Share{
			State: fmt.Sprintf("%s (listening; relayed by chrun, because the program has a different uid from yours)", a),
			Relay: &session.Relay{Bus: bus, Path: inside}, Notes: notes,
			Env: []session.Var{{Name: variable, Value: unixAddress(string(inside)).String()}},
		}
	}
	return session.Share{State: refusesUID, Notes: notes}
}
