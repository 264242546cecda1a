package audio

import (
	"path"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// clientConf are the values of libpulse's client configuration that say where the
// server is (pulse-client.conf(5)). The last assignment counts.
type clientConf struct{ defaultServer, cookieFile string }

// maxIncludes is how many files the configuration may include.
const maxIncludes = 16

// maxClientConf is the largest size of a file in bytes.
const maxClientConf = 1 << 20

// readClientConf reads $PULSE_CLIENTCONFIG, or the caller's client.conf, or that of
// the system, and then the files *.conf in the directory of that name with ".d".
func readClientConf(c *session.Caller) (conf clientConf) {
	files := []session.HostPath{
		home(c).Join(".pulse/client.conf"),
		configHome(c).Join("pulse/client.conf"),
		c.Host.Join("/etc/pulse/client.conf"),
	}
	if p := c.Env.Get("PULSE_CLIENTCONFIG"); p != "" {
		files = []session.HostPath{session.HostPath(p)}
	}
	left := maxIncludes
	for _, file := range files {
		if !path.IsAbs(string(file)) || !conf.read(file, &left) {
			continue
		}
		list, _ := rootfs.ListHost(file + ".d")
		for _, e := range list {
			if strings.HasSuffix(e.Name(), ".conf") {
				conf.read(session.HostPath(string(file)+".d").Join(e.Name()), &left)
			}
		}
		break
	}
	return conf
}

// read adds the values in one file and reports whether the file could be read.
func (conf *clientConf) read(file session.HostPath, left *int) bool {
	if *left--; *left < 0 {
		return false
	}
	data, err := rootfs.ReadHost(file, maxClientConf, 0)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if included, ok := strings.CutPrefix(line, ".include "); ok {
			included = strings.TrimSpace(included)
			if !path.IsAbs(included) {
				included = path.Join(path.Dir(string(file)), included)
			}
			conf.read(session.HostPath(included), left)
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		switch value = strings.TrimSpace(value); strings.TrimSpace(name) {
		case "default-server":
			conf.defaultServer = value
		case "cookie-file":
			conf.cookieFile = value
		}
	}
	return true
}

// serverList returns the list of servers that the caller chose, and what it is
// called: the variable or, if that is empty, the configuration.
func (conf clientConf) serverList(c *session.Caller) (list, name string) {
	if list = c.Env.Get("PULSE_SERVER"); list != "" {
		return list, "PULSE_SERVER"
	}
	return conf.defaultServer, "the default-server of PulseAudio's client.conf"
}

// cookieFiles returns where libpulse looks for the cookie, in order.
func (conf clientConf) cookieFiles(c *session.Caller) (files []session.HostPath) {
	for _, p := range []string{c.Env.Get("PULSE_COOKIE"), conf.cookieFile} {
		switch {
		case path.IsAbs(p):
			files = append(files, session.HostPath(path.Clean(p)))
		case p != "":
			files = append(files, configHome(c).Join("pulse", p))
		}
	}
	return append(files, configHome(c).Join("pulse/cookie"), home(c).Join(".pulse-cookie"))
}
