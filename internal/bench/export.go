package main

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"

	"chrun/session"
)

// entryCount is the number of desktop entries in the chroot for exports. Each has
// icons of iconSizes.
const entryCount = 1000

var iconSizes = []int{16, 32, 48, 64, 128}

// exports measures `chrunctl export --all` against cp -r of the same files, and a
// second run, which has nothing to do, against the first.
func (b *bench) exports(t *table) error {
	ctl := b.ctl
	tree, copied := filepath.Join(b.dir, "entries"), filepath.Join(b.own, "copied")
	if err := makeEntries(tree); err != nil {
		return err
	}
	if err := b.try(ctl, "add", "entries", tree); err != nil {
		return err
	}
	share := filepath.Join(tree, "usr/share")
	again := []string{ctl, "export", "entries", "--all", "-q"}
	// sync, so that earlier writes do not slow the measured command.
	times, err := b.hyperfineAfter(max(5, b.runs/25), []string{
		session.Quote("rm", "-rf", copied) + " && " + session.Quote("mkdir", copied) + " && sync",
		session.Quote(ctl, "unexport", "entries", "--all", "-q") + "; sync",
		session.Quote(again...) + " && sync",
	}, []string{"cp", "-r", share + "/applications", share + "/icons", copied}, again, again)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("`chrunctl export --all`, %d entries with %d icons each", entryCount, len(iconSizes))
	t.ratio(what, "`cp -r` of the same files", 1.5, times[1], times[0])
	t.ratio("a second run, with nothing to do", "the first run", 0.05, times[2], times[1])
	return b.try(ctl, "unexport", "entries", "--all", "-q")
}

// makeEntries makes a tree with entries and icons, all different.
func makeEntries(tree string) error {
	write := func(name string, data []byte) error {
		p := filepath.Join(tree, "usr/share", name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
		return os.WriteFile(p, data, 0o644)
	}
	icons := map[int][]byte{}
	for _, size := range iconSizes {
		picture := image.NewRGBA(image.Rect(0, 0, size, size))
		for i := range picture.Pix {
			picture.Pix[i] = byte(rand.IntN(256))
		}
		var out bytes.Buffer
		if err := png.Encode(&out, picture); err != nil {
			return err
		}
		icons[size] = out.Bytes()
	}
	for i := range entryCount {
		id := fmt.Sprintf("org.example.App%d", i)
		text := fmt.Sprintf("[Desktop Entry]\nType=Application\nName=Program %d\nIcon=%s\nExec=app%[1]d %%U\n"+
			"MimeType=text/plain;x-scheme-handler/app%[1]d;\nActions=new;\n\n[Desktop Action new]\nName=New Window\nExec=app%[1]d --new\n", i, id)
		if err := write("applications/"+id+".desktop", []byte(text)); err != nil {
			return err
		}
		for _, size := range iconSizes {
			// Bytes after the last chunk are not part of the picture.
			if err := write(fmt.Sprintf("icons/hicolor/%dx%[1]d/apps/%s.png", size, id), fmt.Append(icons[size][:len(icons[size]):len(icons[size])], i)); err != nil {
				return err
			}
		}
	}
	return nil
}
