package export

import (
	"bytes"
	"os"
	"strings"

	"chrun/desktop/entry"
	"chrun/desktop/export/mime"
	"chrun/session/rootfs"
)

// cache puts our entries into the cache of $XDG_DATA_HOME/applications. GLib
// and xdg-mime see no other types than those in it. update-desktop-database is
// not asked: it would also bring in entries of the user's that the cache lacks,
// and move their defaults.
func (s *Set) cache(m *manifest) error {
	dir := s.host.DataHome + "/applications/"
	with, without := map[string][]string{}, []string{}
	for at := range m.files { // old and new
		id, ok := strings.CutPrefix(at, dir)
		if !ok {
			continue
		}
		without = append(without, id)
		// What the user has changed is there still, whatever is asked.
		if data, err := rootfs.ReadHost(rootfs.HostPath(at), 0, 0); err == nil {
			if e, err := entry.Parse(data); err == nil && !e.Bool("Hidden") {
				with[id] = e.List("MimeType")
			}
		}
	}
	at := dir + "mimeinfo.cache"
	old, err := os.ReadFile(at)
	text := mime.Read(s.host.Dirs).Without(without).With(with).Cache()
	if err == nil && bytes.Equal(old, text) || err != nil && !bytes.Contains(text, []byte("=")) {
		return nil
	}
	if err := m.make(cacheMade, at); err != nil {
		return err
	}
	_, err = place(at, &file{mode: 0o644, data: text})
	return err
}
