package dbus

import (
	"bytes"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
)

// No message makes godbus panic in its own goroutine, where nobody could recover.
func FuzzMessage(f *testing.F) {
	var b strings.Builder
	send(&b, dbus.TypeMethodReply, map[dbus.HeaderField]any{dbus.FieldReplySerial: uint32(1)}, "x", []any{uint32(1), map[string]Variant{"a": MakeVariant([]uint32{1})}})
	f.Add([]byte(b.String()))
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := dbus.DecodeMessage(bytes.NewReader(data)); err == nil {
			filter(m)
		}
	})
}
