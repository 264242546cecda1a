package icon

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"chrun/session/rootfs"
)

// extensions are the formats of icons in themes, the preferred one first (Icon
// Lookup). KDE also finds svgz there.
var extensions = []string{"png", "svg", "xpm", "svgz"}

// pathFormats are the formats that desktops show only if the entry has the path of
// the file: those that every gdk-pixbuf and Qt can read.
var pathFormats = []string{"jpg", "gif", "ico"}

// NeedsPath reports whether an entry must name the image by its path.
func (i *Image) NeedsPath() bool { return slices.Contains(pathFormats, i.Ext) }

// Unpack returns the content of an image that is compressed (svgz), whose Ext it
// changes, and of others data.
func (i *Image) Unpack(data []byte) ([]byte, error) {
	if i.Ext != "svgz" {
		return data, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err == nil {
		data, err = io.ReadAll(io.LimitReader(r, rootfs.MaxFile+1))
	}
	if err == nil && len(data) > rootfs.MaxFile {
		err = rootfs.ErrTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("cannot unpack %s: %w", i.Path, err)
	}
	i.Ext = "svg"
	return data, nil
}

// Measure checks that data, the content of the image, is an image, and returns its
// width in pixels, or 0 if the format has no fixed size. So a link to another file
// is never exported as an icon, nor an image that would exhaust the desktop's
// memory.
func (i *Image) Measure(data []byte) (size int, err error) {
	width, height := 0, 0
	switch i.Ext {
	case "png": // Portable Network Graphics 5.2 and 11.2.2
		if bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")) && len(data) >= 24 {
			width, height = int(binary.BigEndian.Uint32(data[16:])), int(binary.BigEndian.Uint32(data[20:]))
		}
	case "svg": // some editors write long prologues before the element
		head := bytes.TrimSpace(bytes.TrimPrefix(data[:min(len(data), 32<<10)], []byte("\xef\xbb\xbf")))
		if bytes.HasPrefix(head, []byte("<")) && bytes.Contains(head, []byte("<svg")) {
			return 0, nil
		}
	case "svgz":
		packed := *i
		if text, err := packed.Unpack(data); err == nil {
			return packed.Measure(text)
		}
	case "xpm":
		_, body, _ := bytes.Cut(data[:min(len(data), 4096)], []byte(`"`))
		if bytes.HasPrefix(data, []byte("/* XPM */")) {
			fmt.Sscan(string(body[:min(len(body), 40)]), &width, &height)
		}
	case "gif": // GIF89a, 18
		if len(data) >= 10 && (bytes.HasPrefix(data, []byte("GIF87a")) || bytes.HasPrefix(data, []byte("GIF89a"))) {
			width, height = int(binary.LittleEndian.Uint16(data[6:])), int(binary.LittleEndian.Uint16(data[8:]))
		}
	case "jpg":
		width, height = measureJPEG(data)
	case "ico": // the first image; 0 is 256
		if len(data) >= 22 && bytes.HasPrefix(data, []byte("\x00\x00\x01\x00")) && data[4] > 0 {
			width, height = (int(data[6])+255)%256+1, (int(data[7])+255)%256+1
		}
	}
	switch {
	case 0 < width && width <= maxSize && 0 < height && height <= maxSize:
		return width, nil
	case bytes.HasPrefix(data, []byte("RIFF")) && len(data) >= 12 && string(data[8:12]) == "WEBP":
		return 0, fmt.Errorf("%s is a WebP image, a format that menus do not show", i.Path)
	case slices.Contains(extensions, i.Ext), i.NeedsPath():
		return 0, fmt.Errorf("%s is not a %s image of a supported size", i.Path, strings.ToUpper(i.Ext))
	}
	return 0, fmt.Errorf("%s is not an image in a format that menus show", i.Path)
}

// measureJPEG returns the size in the frame header (ITU-T T.81, B.2.2), or 0.
func measureJPEG(data []byte) (width, height int) {
	if !bytes.HasPrefix(data, []byte("\xff\xd8\xff")) {
		return 0, 0
	}
	for at := 2; at+9 <= len(data) && data[at] == 0xff; {
		switch marker := data[at+1]; {
		case marker == 0xff: // a fill byte
			at++
		case 0xc0 <= marker && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			return int(binary.BigEndian.Uint16(data[at+7:])), int(binary.BigEndian.Uint16(data[at+5:]))
		default:
			at += 2 + int(binary.BigEndian.Uint16(data[at+2:]))
		}
	}
	return 0, 0
}
