package inside

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/internal/doctor/report"
)

// dial connects to a server. Both connecting and what follows end before the probe
// must, so that it can say so.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	limit := time.Now().Add(Limit - 400*time.Millisecond)
	if end, ok := ctx.Deadline(); ok && end.Add(-300*time.Millisecond).Before(limit) {
		limit = end.Add(-300 * time.Millisecond)
	}
	for {
		conn, err := (&net.Dialer{Deadline: limit}).DialContext(ctx, network, address)
		// The network package does not wait for room in a server's queue.
		if errors.Is(err, unix.EAGAIN) && time.Now().Before(limit) {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		if err != nil {
			return nil, err
		}
		conn.SetDeadline(limit)
		return conn, nil
	}
}

// probeAgents asks ssh-agent how many keys it has, and reads the greeting of gpg-agent.
func probeAgents(ctx context.Context, in *Input, add func(...report.Check)) {
	const row = "agents"
	if in.denies(row) {
		return
	}
	if in.Caller.Get("SSH_AUTH_SOCK") != "" && in.Env.Get("SSH_AUTH_SOCK") == "" {
		add(report.Notice(row, report.Found, "ssh-agent-stale", "SSH_AUTH_SOCK names an agent that does not run"))
	}
	var parts []string
	if socket := in.Env.Get("SSH_AUTH_SOCK"); socket != "" {
		keys, err := countKeys(ctx, socket)
		if err != nil {
			add(report.Bad(row, report.Answers, "ssh-agent-failed", "ssh-agent: "+err.Error()))
		} else {
			parts = append(parts, fmt.Sprintf("ssh-agent answers, keys: %d", keys))
		}
	}
	for _, dir := range []string{path.Join(in.Env.Get("XDG_RUNTIME_DIR"), "gnupg"), in.Env.Get("GNUPGHOME"), path.Join(in.Home, ".gnupg")} {
		socket := path.Join(dir, "S.gpg-agent")
		if !path.IsAbs(socket) || !exists(socket) {
			continue
		}
		err := greetAgent(ctx, socket)
		switch {
		case err == nil:
			parts = append(parts, "gpg-agent answers")
		case errors.Is(err, unix.ECONNREFUSED):
			continue // gpg starts one
		default:
			add(report.Bad(row, report.Answers, "gpg-agent-failed", "gpg-agent: "+err.Error()))
		}
		break
	}
	if parts != nil {
		add(report.Good(row, report.Answers, strings.Join(parts, "; ")))
	}
}

// countKeys asks an agent for the number of its keys (draft-miller-ssh-agent, section
// 4.4).
func countKeys(ctx context.Context, socket string) (int, error) {
	conn, err := dial(ctx, "unix", socket)
	if err != nil {
		return 0, plain(err)
	}
	defer conn.Close()
	const requestIdentities, identitiesAnswer = 11, 12
	answer := make([]byte, 9)
	if _, err = conn.Write([]byte{0, 0, 0, 1, requestIdentities}); err == nil {
		_, err = io.ReadFull(conn, answer[:5])
	}
	if err == nil && answer[4] != identitiesAnswer {
		return 0, errors.New("it refuses to list keys")
	}
	if err == nil {
		_, err = io.ReadFull(conn, answer[5:])
	}
	if err != nil {
		return 0, plain(err)
	}
	return int(binary.BigEndian.Uint32(answer[5:])), nil
}

// greetAgent reads the greeting of gpg-agent (Assuan manual, "Server responses").
func greetAgent(ctx context.Context, socket string) error {
	conn, err := dial(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	line, err := bufio.NewReader(io.LimitReader(conn, 1024)).ReadString('\n')
	if err != nil {
		return plain(err)
	}
	if !strings.HasPrefix(line, "OK") {
		return errors.New("it refuses")
	}
	return nil
}

// plain says what an error of a connection means.
func plain(err error) error {
	var timeout net.Error
	var errno unix.Errno
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("no answer")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return errors.New("it closes the connection")
	case errors.As(err, &errno):
		return errno
	}
	return err
}
