package inside

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/internal/doctor/report"
	"chrun/session"
)

// probeNetworkFiles reads the name servers, and asks the first one if that is wanted.
func probeNetworkFiles(ctx context.Context, in *Input, add func(...report.Check)) {
	const row, file = "network-files", "/etc/resolv.conf"
	if in.denies(row) {
		return
	}
	if !in.HostResolv {
		add(report.Notice(row, report.Found, "no-host-resolv-conf", "the host's "+file+" is missing or leads nowhere"))
	}
	data, err := readRegular(file, 64<<10)
	if err != nil {
		if in.HostResolv && !in.denies("network") {
			add(report.Bad(row, report.Reachable, "no-resolv-conf", file+": "+plain(err).Error(), "file", session.Quote(in.Tree+file)))
		}
		return
	}
	servers := nameServers(string(data))
	shown := strings.Join(servers[:min(len(servers), 3)], ", ")
	switch {
	case len(servers) == 0:
		add(report.Notice(row, report.Reachable, "no-name-server", file+" names no server: only 127.0.0.1 is asked"))
		servers = []string{"127.0.0.1"}
	default:
		add(report.Good(row, report.Reachable, "name servers: "+shown))
	}
	if lacksDNS() {
		add(report.Bad(row, report.Reachable, "no-dns-in-nsswitch", "/etc/nsswitch.conf does not name dns for hosts", "file", session.Quote(in.Tree+"/etc/nsswitch.conf")))
	}
	if !in.Net || in.denies("network") {
		return
	}
	begin := time.Now()
	if err := askNameServer(ctx, servers[0]); err != nil {
		fault := "dns-dead"
		if strings.HasPrefix(servers[0], "127.") {
			fault = "dns-local-dead"
		}
		add(report.Bad(row, report.Answers, fault, "the name server "+servers[0]+": "+plain(err).Error()))
		return
	}
	add(report.Good(row, report.Answers, servers[0]+" answers in "+time.Since(begin).Round(time.Millisecond).String()))
}

// nameServers returns the addresses in a resolv.conf(5), at most ten.
func nameServers(text string) (servers []string) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "nameserver" || len(servers) == 10 {
			continue
		}
		address, _, _ := strings.Cut(words[1], "%")
		if net.ParseIP(address) != nil {
			servers = append(servers, words[1][:min(len(words[1]), 60)])
		}
	}
	return servers
}

// lacksDNS reports whether the C library of the chroot would never ask a name server.
func lacksDNS() bool {
	data, err := readRegular("/etc/nsswitch.conf", 64<<10)
	if err != nil {
		return false // the default has it
	}
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "hosts:"); ok {
			words := strings.Fields(rest)
			return !slices.Contains(words, "dns") && !slices.Contains(words, "resolve")
		}
	}
	return false
}

// askNameServer sends one question, for the name servers of the root, and waits for
// any answer to it (RFC 1035, section 4).
func askNameServer(ctx context.Context, server string) error {
	conn, err := net.Dial("udp", net.JoinHostPort(server, "53"))
	if err != nil {
		return err
	}
	defer conn.Close()
	limit := time.Now().Add(1500 * time.Millisecond)
	if end, ok := ctx.Deadline(); ok && end.Before(limit) {
		limit = end
	}
	conn.SetDeadline(limit)
	id := time.Now().UnixNano()
	question := []byte{byte(id >> 8), byte(id), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1}
	if _, err := conn.Write(question); err != nil {
		return err
	}
	for answer := make([]byte, 2048); ; {
		n, err := conn.Read(answer)
		if errors.Is(err, unix.ECONNREFUSED) {
			return errors.New("no server listens")
		}
		if err != nil {
			return err
		}
		if n >= 12 && answer[0] == question[0] && answer[1] == question[1] && answer[2]&0x80 != 0 {
			return nil
		}
	}
}

// probeMachineID looks whether programs see the host's machine ID.
func probeMachineID(_ context.Context, in *Input, add func(...report.Check)) {
	const row = "machine-id"
	wrong := report.Bad
	switch {
	case os.Getuid() == 0:
		add(report.Good(row, report.Reachable, "the chroot's own, as root inside may change it"))
		return
	case in.denies(row) && in.denies("session-bus") && in.denies("pulseaudio"):
		return // nobody compares it
	case in.denies(row):
		wrong = report.Notice // but the session bus compares it all the same
	case in.MachineID == "":
		add(report.Bad(row, report.Found, "no-machine-id", "the host has no machine ID: D-Bus and sound need it"))
		return
	}
	for _, file := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		data, err := readRegular(file, 64)
		if err != nil {
			if file == "/etc/machine-id" {
				add(wrong(row, report.Reachable, "wrong-machine-id", "the chroot has no machine ID", "file", session.Quote(in.Tree+file)))
			}
			continue
		}
		if strings.TrimSpace(string(data)) != in.MachineID {
			add(wrong(row, report.Reachable, "wrong-machine-id", file+" is not the host's", "file", session.Quote(in.Tree+file)))
			return
		}
	}
	add(report.Good(row, report.Reachable, "the host's"))
}
