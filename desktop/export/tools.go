package export

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chrun/desktop/entry"
	"chrun/desktop/export/icon"
	"chrun/desktop/export/mime"
	"chrun/session/rootfs"
)

// Values of manifest.generated.
const (
	cacheMade = "cache" // mimeinfo.cache
	mimeMade  = "mime"  // what update-mime-database writes
)

func (s *Set) cacheFile() string { return s.host.DataHome + "/applications/mimeinfo.cache" }

// updateCache puts the exported entries into the cache of types, since GLib and
// xdg-mime read the types of entries only from there. It does not run
// update-desktop-database, which would also add entries of the user's that the
// cache lacks, and so change their defaults.
func (s *Set) updateCache(m *manifest) error {
	with, without := map[string][]string{}, []string{}
	for path := range m.files { // old and new
		id, ok := strings.CutPrefix(path, s.host.DataHome+"/applications/")
		if !ok {
			continue
		}
		without = append(without, id)
		// An entry that the user has edited is kept, even if it is unexported.
		data, err := rootfs.ReadHost(rootfs.HostPath(path), 0, 0)
		if rootfs.IsFailure(err) {
			return err
		}
		if err == nil {
			if e, err := entry.Parse(data); err == nil && !e.Bool("Hidden") {
				with[id] = e.List("MimeType")
			}
		}
	}
	path := s.cacheFile()
	old, err := os.ReadFile(path)
	host := mime.Read(s.host.Dirs)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !host.HasCache(string(old)) { // what the user has in it would be lost
		return fmt.Errorf("cannot update %s: it has changed while it was read", path)
	}
	text := host.Without(without).With(with).Cache()
	if err == nil && bytes.Equal(old, text) || err != nil && !bytes.Contains(text, []byte("=")) {
		return nil
	}
	if err := m.recordGenerated(cacheMade, path); err != nil {
		return err
	}
	_, err = writeFile(path, text, 0o644)
	return err
}

// runTools runs the tools that make changes in these directories of $XDG_DATA_HOME
// known. The tools are optional.
func (s *Set) runTools(m *manifest, changed map[string]bool) (failed []error) {
	run := func(tool string, args ...string) {
		path, err := exec.LookPath(tool)
		if err != nil {
			failed = append(failed, &ToolError{Tool: tool, Err: err})
			return
		}
		// The output of a tool that succeeds is about files of the user.
		if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
			failed = append(failed, &ToolError{tool, string(bytes.TrimSpace(out)), err})
		}
	}
	if dir := s.host.DataHome + "/mime"; changed["mime"] {
		if err := m.recordGenerated(mimeMade, dir+"/mime.cache"); err != nil {
			failed = append(failed, err)
		} else {
			run("update-mime-database", dir)
		}
	}
	if changed["icons"] {
		// Desktops ignore a cache that is older than its theme, so they see the new
		// icons even without the tool.
		theme, now := filepath.Join(s.host.DataHome, icon.Theme), time.Now()
		os.Chtimes(theme, now, now)
		if _, err := os.Stat(theme + "/icon-theme.cache"); err == nil {
			run("gtk-update-icon-cache", "-q", "-f", "-t", theme)
		}
	}
	return failed
}

// ToolError means that an update tool is not installed, or failed.
type ToolError struct {
	Tool, Output string
	Err          error
}

func (e *ToolError) Error() string {
	if e.Output != "" {
		return "cannot run " + e.Tool + ": " + e.Output
	}
	return "cannot run " + e.Tool + ": " + e.Err.Error()
}

func (e *ToolError) Unwrap() error { return e.Err }

// Hint says what to install, or "".
func (e *ToolError) Hint() string {
	name := toolPackages[e.Tool]
	if name == "" || !errors.Is(e.Err, exec.ErrNotFound) {
		return ""
	}
	return "install " + name + " on the host, then run: chrunctl sync"
}

// toolPackages are the packages that contain the tools.
var toolPackages = map[string]string{"update-mime-database": "shared-mime-info", "gtk-update-icon-cache": "gtk-update-icon-cache"}

// removeGenerated removes what the tools made where there was nothing before,
// unless somebody else uses it now.
func (s *Set) removeGenerated(generated []string) {
	if text, err := os.ReadFile(s.cacheFile()); err == nil && slices.Contains(generated, cacheMade) && !bytes.Contains(text, []byte("=")) {
		os.Remove(s.cacheFile())
	}
	dir := s.host.DataHome + "/mime"
	if packages, _ := os.ReadDir(dir + "/packages"); slices.Contains(generated, mimeMade) && len(packages) == 0 {
		for _, name := range mime.ListGenerated(dir) {
			os.Remove(filepath.Join(dir, name))
		}
	}
}
