package inside

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"path"
	"strings"

	"chrun/internal/doctor/report"
)

// probePrinting connects to the print server and asks what it can do, which changes
// nothing (RFC 9110, OPTIONS).
func probePrinting(ctx context.Context, in *Input, add func(...report.Check)) {
	const row = "printing"
	server := in.Env.Get("CUPS_SERVER")
	if !in.shares(row) || server == "" {
		return
	}
	network, address := "unix", server
	if !path.IsAbs(server) {
		network = "tcp"
		address, _, _ = strings.Cut(server, "/version=") // cups-client.conf(5)
		if _, _, err := net.SplitHostPort(address); err != nil {
			address = net.JoinHostPort(strings.Trim(address, "[]"), "631")
		}
	}
	line, err := askPrinter(ctx, network, address)
	shown := server[:min(len(server), 40)]
	switch {
	case err != nil:
		add(report.Bad(row, report.Answers, "cups-failed", fmt.Sprintf("the print server at %s: %v", shown, plain(err))))
	case !strings.HasPrefix(line, "HTTP/"):
		add(report.Bad(row, report.Answers, "cups-failed", "what listens at "+shown+" is not a print server"))
	default:
		add(report.Good(row, report.Answers, "the print server at "+shown+" answers"))
	}
}

func askPrinter(ctx context.Context, network, address string) (line string, err error) {
	conn, err := dial(ctx, network, address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err = io.WriteString(conn, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		return "", err
	}
	return bufio.NewReader(io.LimitReader(conn, 1024)).ReadString('\n')
}
