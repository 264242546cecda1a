package test

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"chrun/internal/doctor/report"
	"chrun/internal/headless"
)

// signalServers sends a signal to servers of the session. Only root may call it, whose
// test user has no other session.
func (d *desk) signalServers(signal string, names ...string) {
	d.t.Helper()
	for _, name := range names {
		if out, err := d.Output("pkill", "-"+signal, "-x", "-u", d.User.Name, name); err != nil {
			d.t.Fatal(out, err)
		}
	}
	if signal == "STOP" || signal == "CONT" {
		return
	}
	waitFor(d.t, 5*time.Second, "the end of "+strings.Join(names, ", "), func() bool {
		_, err := d.Output("pgrep", "-x", "-u", d.User.Name, strings.Join(names, "|"))
		return err != nil
	})
}

// Sound servers that were killed, that hang, or that nobody has started are told apart,
// and the line that the doctor says starts them.
func TestDoctorSoundServers(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{Compositor: "weston", Sound: true, Bus: true})
	all := []string{"pipewire-pulse", "wireplumber", "pipewire"}
	for _, c := range []struct {
		signal, row, fault string
		names              []string
		also               []string
	}{
		{"KILL", "pipewire", "pipewire-gone", []string{"pipewire"}, []string{"pulseaudio", "alsa"}},
		{"STOP", "pipewire", "pipewire-hang", []string{"pipewire"}, []string{"pulseaudio", "alsa"}},
		{"STOP", "pulseaudio", "pulseaudio-hang", []string{"pipewire-pulse"}, []string{"alsa"}},
		{"TERM", "pulseaudio", "no-pulse", []string{"pipewire-pulse"}, nil},
		{"TERM", "pipewire", "no-sound-server", all, nil},
	} {
		t.Run(c.fault, func(t *testing.T) {
			d.signalServers(c.signal, c.names...)
			rep := d.doctor(both, d.chroot)
			if rep.Millis > 3000 {
				t.Errorf("%d ms", rep.Millis)
			}
			want := wantNote
			if c.signal != "TERM" {
				want = func(t *testing.T, rep report.Report, row, fault string) string {
					return wantFault(t, rep, row, fault, c.also...)
				}
			}
			line := want(t, rep, c.row, c.fault)
			d.typeAndLook(both, line)
			waitFor(t, 10*time.Second, "sound after "+line, func() bool {
				rep := d.doctor(both, d.chroot)
				return len(failures(rep)) == 0 && answers(rep, "pipewire") && answers(rep, "pulseaudio")
			})
		})
	}
}

// answers reports whether a row has an answer.
func answers(rep report.Report, row string) bool {
	return slices.ContainsFunc(rep.Checks, func(c report.Check) bool {
		return c.Feature == row && c.Status == report.OK && c.Step == report.Answers
	})
}

// A server of PulseAudio that wants another cookie: the line fits where the cookie is from.
func TestDoctorPulseRefuses(t *testing.T) {
	d := openDesktop(t, headless.Options{Home: makeHome(t, nil)})
	refuse := func(c net.Conn) {
		head := make([]byte, 20)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head)))
		// The answer ERROR to request 1: access denied (pulsecore/native-common.h).
		body := []byte{'L', 0, 0, 0, 0, 'L', 0, 0, 0, 1, 'L', 0, 0, 0, 1}
		c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), append([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, body...)...))
	}
	socket := fakeServer(t, d.User, refuse)
	m := setting("PULSE_SERVER=unix:" + socket)
	line := wantFault(t, d.doctor(m, d.chroot), "pulseaudio", "pulseaudio-refused", "alsa")
	if f := failures(d.typeAndLook(m, line)); len(f) > 0 {
		t.Errorf("after %q: %s", line, strings.Join(f, "\n"))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			refuse(c)
			c.Close()
		}
	}()
	wantFault(t, d.doctor(setting("PULSE_SERVER=tcp:"+l.Addr().String()), d.chroot), "pulseaudio", "pulseaudio-refused", "alsa")
	m = setting("PULSE_SERVER=unix:"+socket, "PULSE_COOKIE=/nonexistent")
	if line := wantFault(t, d.doctor(m, d.chroot), "pulseaudio", "pulseaudio-cookie", "alsa"); line != "unset PULSE_COOKIE" {
		t.Errorf("%q", line)
	}
}
