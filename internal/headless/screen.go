package headless

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"strings"
)

// Display is a kind of display.
type Display string

const (
	Wayland Display = "wayland"
	X11     Display = "x11"
)

// Screenshot takes a picture of the screen and writes it to a PNG file, unless
// the file's name is "". On Wayland it works only with sway.
func (s *Session) Screenshot(d Display, file string) (image.Image, error) {
	command := []string{"grim", "-"}
	if d == X11 {
		command = []string{"import", "-silent", "-window", "root", "png:-"}
	}
	data, err := s.Output(command[0], command[1:]...)
	if err != nil {
		return nil, fmt.Errorf("cannot take a screenshot: %w", err)
	}
	picture, err := png.Decode(strings.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("cannot read the screenshot: %w", err)
	}
	if file != "" {
		err = os.WriteFile(file, []byte(data), 0o644)
	}
	return picture, err
}

// Covered returns the share of a picture, 0 to 1, that has exactly this colour.
func Covered(picture image.Image, c color.Color) float64 {
	want, n := color.RGBAModel.Convert(c), 0
	b := picture.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if color.RGBAModel.Convert(picture.At(x, y)) == want {
				n++
			}
		}
	}
	return float64(n) / float64(max(1, b.Dx()*b.Dy()))
}
