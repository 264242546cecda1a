package test

import (
	"testing"

	"chrun/internal/headless"
)

// TZ may name a zone even if the chroot has no zones, as the small 32-bit one.
func TestZone(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	d.chroot = headless.Chroot32(t)
	for zone, want := range map[string]string{"Asia/Tokyo": "+0900 JST", ":Asia/Tokyo": "+0900 JST", "XYZ-5": "+0500 XYZ"} {
		in := mode{zone, func(env []string) []string { return append(without("TZ")(env), "TZ="+zone) }}
		d.chrun(in, nil, "date", "+%z %Z").wantOutput(t, want)
	}
}
