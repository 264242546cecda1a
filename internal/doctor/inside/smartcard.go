package inside

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"chrun/internal/doctor/report"
)

// probeSmartcard asks pcscd for its version, as every program does first.
func probeSmartcard(ctx context.Context, in *Input, add func(...report.Check)) {
	const row = "smartcard"
	socket := cmp.Or(in.Env.Get("PCSCLITE_CSOCK_NAME"), "/run/pcscd/pcscd.comm")
	if !in.shares(row) || !exists(socket) {
		return
	}
	major, minor, err := askVersion(ctx, socket)
	switch {
	case errors.Is(err, errRefused):
		add(report.Bad(row, report.Answers, "pcscd-version", fmt.Sprintf("the host's pcscd speaks version %d:%d, libraries of today 4", major, minor)))
	case err != nil:
		add(report.Bad(row, report.Answers, "pcscd-failed", fmt.Sprintf("pcscd: %v", plain(err))))
	case hasLibrary("libpcsclite.so.1", "libpcsclite_real.so.1"):
		add(report.Good(row, report.Answers, fmt.Sprintf("pcscd answers, protocol %d:%d", major, minor)))
	default:
		add(report.Good(row, report.Answers, "pcscd answers; no program of the chroot uses it (no libpcsclite)"))
	}
}

var errRefused = errors.New("the server refuses this version")

// askVersion sends CMD_VERSION (pcsc-lite, src/winscard_msg.h): a header with the size
// and the command, then major, minor and a result. Numbers have the machine's order.
func askVersion(ctx context.Context, socket string) (major, minor int32, err error) {
	conn, err := dial(ctx, "unix", socket)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	const cmdVersion = 0x11
	var question []byte
	for _, word := range []uint32{12, cmdVersion, 4, 4, 0} { // servers know 4:4 since 1.8.24
		question = binary.NativeEndian.AppendUint32(question, word)
	}
	answer := make([]byte, 12)
	if _, err = conn.Write(question); err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	if err != nil {
		return 0, 0, err
	}
	major, minor = int32(binary.NativeEndian.Uint32(answer)), int32(binary.NativeEndian.Uint32(answer[4:]))
	if binary.NativeEndian.Uint32(answer[8:]) != 0 {
		return major, minor, errRefused
	}
	return major, minor, nil
}
