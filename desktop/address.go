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

// parseAddresses reads a list divided by ';'. What is no address is left out,
// and so is guid: it differs once the bus has restarted.
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

// String is the address with every byte escaped that must be.
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

// unescape undoes %XX; false where two hexadecimal digits do not follow.
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

// hexDigit is the value of c, or -1.
func hexDigit(c byte) int {
	if c >= 'A' && c <= 'F' {
		c += 'a' - 'A'
	}
	return strings.IndexByte("0123456789abcdef", c)
}

// chooseReachable chooses the addresses of a list at which a bus answers a program
// inside, and the binds that takes. The rest goes with a reason: starting a
// bus, by whatever means, is not sharing one.
func chooseReachable(f *session.Facts, list, why string) (reached []address, binds []session.Bind, notes []string) {
	for _, a := range parseAddresses(list) {
		p, abstract := a.get("path"), a.get("abstract")
		reason := ""
		switch {
		case a.transport == "unix" && path.IsAbs(p):
			socket := session.HostPath(path.Clean(p))
			if f.Caller.Listens(socket) {
				binds = append(binds, session.SocketBinds(f.Caller, socket, why)...)
			} else {
				reason = "nobody listens"
			}
		case a.transport == "unix" && abstract != "":
			if !f.Allowed("network") {
				reason = "an abstract socket, and the network is denied"
			} else if !f.Caller.Listeners()["@"+abstract] {
				reason = "nobody listens"
			}
		case a.transport == "tcp":
			if !f.Allowed("network") {
				reason = "the network is denied"
			}
		default:
			reason = "not an address to connect to from inside"
		}
		if reason != "" {
			notes = append(notes, fmt.Sprintf("%s: %s", a, reason))
			continue
		}
		reached = append(reached, a)
	}
	return reached, binds, notes
}

// joinAddresses writes addresses as a list.
func joinAddresses(addresses []address) string {
	list := make([]string, len(addresses))
	for i, a := range addresses {
		list[i] = a.String()
	}
	return strings.Join(list, ";")
}

// unixAddress is the address of the socket at p.
func unixAddress(p string) address { return address{"unix", []param{{"path", p}}} }

// pathsToCover are the sockets that a list names, to be covered; notes name what
// cannot be.
func pathsToCover(list string) (paths []session.Path, notes []string) {
	for _, a := range parseAddresses(list) {
		if p := a.get("path"); a.transport == "unix" && path.IsAbs(p) {
			paths = append(paths, session.Path(path.Clean(p)))
		} else if a.get("abstract") != "" {
			notes = append(notes, a.String()+" stays within reach: an abstract socket goes only with the network")
		}
	}
	return paths, notes
}
