package main

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"chrun/internal/headless"
)

// watchX watches top-level windows through events of the X server. See the X11
// protocol, chapter 8 (connection setup), ChangeWindowAttributes, MapNotify and
// DestroyNotify.
func watchX(s *headless.Session) (*watcher, error) {
	display := strings.TrimPrefix(s.Getenv("DISPLAY"), ":")
	conn, err := net.Dial("unix", "/tmp/.X11-unix/X"+display)
	if err != nil {
		return nil, err
	}
	root, err := setupX(s, conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("cannot connect to X: %w", err)
	}
	const (
		changeWindowAttributes = 2
		eventMask              = 1 << 11
		substructureNotify     = 1 << 19
		destroyNotify          = 17
		mapNotify              = 19
	)
	request := []byte{changeWindowAttributes, 0, 4, 0}
	for _, field := range []uint32{root, eventMask, substructureNotify} {
		request = binary.LittleEndian.AppendUint32(request, field)
	}
	if _, err := conn.Write(request); err != nil {
		conn.Close()
		return nil, err
	}
	w := newWatcher(conn.Close)
	go func() {
		var event [32]byte // every core event has this size
		mapped := map[uint32]bool{}
		for {
			if _, err := io.ReadFull(conn, event[:]); err != nil {
				return
			}
			now := time.Now()
			window := binary.LittleEndian.Uint32(event[8:])
			switch event[0] &^ 0x80 {
			case mapNotify:
				mapped[window] = true
				w.opened <- now
			case destroyNotify:
				if mapped[window] { // ignore windows that were never shown
					delete(mapped, window)
					w.closed <- now
				}
			}
		}
	}()
	return w, nil
}

// setupX sets the connection up and returns the root window.
func setupX(s *headless.Session, conn net.Conn) (root uint32, err error) {
	list, err := s.Output("xauth", "-f", s.Getenv("XAUTHORITY"), "list", s.Getenv("DISPLAY"))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(list) // display, name, cookie
	if len(fields) < 3 {
		return 0, errors.New("no cookie")
	}
	cookie, err := hex.DecodeString(fields[2])
	if err != nil {
		return 0, err
	}
	setup := []byte{'l', 0, 11, 0, 0, 0, byte(len(fields[1])), 0, byte(len(cookie)), 0, 0, 0}
	setup = append(setup, fields[1]...)
	setup = append(setup, make([]byte, -len(fields[1])&3)...)
	setup = append(setup, cookie...)
	setup = append(setup, make([]byte, -len(cookie)&3)...)
	if _, err := conn.Write(setup); err != nil {
		return 0, err
	}
	var head [8]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return 0, err
	}
	body := make([]byte, 4*int(binary.LittleEndian.Uint16(head[6:])))
	if _, err := io.ReadFull(conn, body); err != nil {
		return 0, err
	}
	if head[0] != 1 {
		return 0, fmt.Errorf("refused: %.*s", int(head[1]), body)
	}
	// 32 bytes, the vendor's name, 8 bytes for each pixmap format, then the screens.
	vendor := int(binary.LittleEndian.Uint16(body[16:]))
	screen := 32 + (vendor+3)&^3 + 8*int(body[21])
	if len(body) < screen+4 {
		return 0, errors.New("the reply is too short")
	}
	return binary.LittleEndian.Uint32(body[screen:]), nil
}

// watchSway watches windows through sway's IPC: sway-ipc(7), event "window".
func watchSway(s *headless.Session) (*watcher, error) {
	conn, err := net.Dial("unix", s.Getenv("SWAYSOCK"))
	if err != nil {
		return nil, err
	}
	const subscribe, windowEvent = 2, 1<<31 | 3
	payload := `["window"]`
	message := append([]byte("i3-ipc"), byte(len(payload)), 0, 0, 0, subscribe, 0, 0, 0)
	if _, err := conn.Write(append(message, payload...)); err != nil {
		conn.Close()
		return nil, err
	}
	w := newWatcher(conn.Close)
	go func() {
		for {
			var head [14]byte
			if _, err := io.ReadFull(conn, head[:]); err != nil {
				return
			}
			now := time.Now()
			body := make([]byte, binary.LittleEndian.Uint32(head[6:]))
			if _, err := io.ReadFull(conn, body); err != nil {
				return
			}
			var event struct{ Change string }
			if binary.LittleEndian.Uint32(head[10:]) != windowEvent || json.Unmarshal(body, &event) != nil {
				continue
			}
			switch event.Change {
			case "new": // sent when the window is mapped
				w.opened <- now
			case "close":
				w.closed <- now
			}
		}
	}()
	return w, nil
}
