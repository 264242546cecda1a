package cli

import (
	"runtime/debug"
	"testing"
)

func TestVersion(t *testing.T) {
	info := func(version string, settings ...string) *debug.BuildInfo {
		b := &debug.BuildInfo{Main: debug.Module{Version: version}}
		for i := 0; i+1 < len(settings); i += 2 {
			b.Settings = append(b.Settings, debug.BuildSetting{Key: settings[i], Value: settings[i+1]})
		}
		return b
	}
	for _, x := range []struct {
		info *debug.BuildInfo
		want string
	}{
		{info("v1.2.3", "vcs.revision", "0123456789abcdef"), "v1.2.3"},
		{info("(devel)", "vcs.revision", "0123456789abcdef", "vcs.modified", "true"), "0123456789ab-dirty"},
		{info("", "vcs.revision", "0123", "vcs.modified", "false"), "0123"},
		{info("(devel)"), "unknown"},
	} {
		if got := versionOf(x.info); got != x.want {
			t.Errorf("%+v: %q, want %q", x.info, got, x.want)
		}
	}
	if Version() == "" {
		t.Error("no version")
	}
}
