package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chrun/internal/doctor/report"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// Denials are read in the formats of both security modules (apparmor(7), and the audit
// messages of SELinux).
func TestParseDenial(t *testing.T) {
	in := &Input{Command: "/usr/bin/firefox-esr", Chroot: &config.Chroot{Path: "/mnt/deb"}}
	for line, want := range map[string]struct {
		denial
		concerns bool
	}{
		`5,1234,99,-;audit: type=1400 audit(1.2:3): apparmor="DENIED" operation="open" class="file" profile="firefox" name="/home/u/x" pid=1 comm="firefox-esr" requested_mask="r"`: {denial{"AppArmor", "firefox", "open", "firefox-esr", "/home/u/x"}, true},
		`6,1,2,-;audit: type=1400 audit(1.2:3): apparmor="DENIED" operation="capable" profile="unprivileged_userns" pid=1 comm="chrun" capability=21  capname="sys_admin"`:          {denial{"AppArmor", "unprivileged_userns", "capable", "chrun", "sys_admin"}, true},
		`5,1,2,-;audit: type=1400 audit(1.2:3): avc:  denied  { connectto } for  pid=7 comm="weston" path="/mnt/deb/run/x" scontext=a:b:c tcontext=d:e:f tclass=unix_stream_socket`: {denial{"SELinux", "a:b:c", "connectto", "weston", "/mnt/deb/run/x"}, true},
		`5,1,2,-;audit: type=1400 audit(1.2:3): avc:  denied  { read } for  pid=7 comm="cupsd" name="x" scontext=a:b:c`:                                                             {denial{"SELinux", "a:b:c", "read", "cupsd", "x"}, false},
	} {
		got, ok := parseDenial(line)
		if !ok || got != want.denial || got.concerns(in) != want.concerns {
			t.Errorf("%s\n%+v %v", line, got, got.concerns(in))
		}
	}
	for _, line := range []string{"", `5,1,2,-;apparmor="STATUS" operation="profile_load"`, "6,1,2,-;usb 1-1: new device"} {
		if d, ok := parseDenial(line); ok {
			t.Errorf("%q: %+v", line, d)
		}
	}
}

func TestParseNvidia(t *testing.T) {
	for text, want := range map[string]string{
		"NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\nGCC version: 12": "535.183.01",
		"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.14  Release Build  (root@host)  Thu":       "550.54.14",
		"NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  570.86.15  Release Build":                        "570.86.15",
		"": "", "nonsense": "", "Kernel Module\n": "",
	} {
		if got := parseNvidia(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestClock(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		now, newest time.Time
		want        report.Status
	}{
		{now, now.Add(-time.Hour), ""}, {now, now.Add(time.Hour), ""}, {now, time.Time{}, ""},
		{now, now.Add(48 * time.Hour), report.Note},
		{time.Date(1970, 1, 1, 0, 1, 0, 0, time.UTC), time.Time{}, report.Failed},
		{time.Date(2222, 1, 1, 0, 1, 0, 0, time.UTC), time.Time{}, report.Failed},
	} {
		got := report.Status("")
		for _, check := range judgeClock(c.now, c.newest) {
			got = check.Status
		}
		if got != c.want {
			t.Errorf("%v, %v: %q, want %q", c.now, c.newest, got, c.want)
		}
	}
}

func TestMountPoint(t *testing.T) {
	const table = "22 1 0:1 / / rw - ext4 a rw\n23 22 0:2 / /mnt/a\\040b rw - ext4 b rw\n24 22 0:3 / /mnt rw - ext4 c rw\n"
	for p, want := range map[string]string{"/mnt/a b/c": "/mnt/a b", "/mnt/a": "/mnt", "/mntx": "/", "/": "/", "/mnt/a b": "/mnt/a b"} {
		if got := mountPoint(table, p); got != want {
			t.Errorf("%s: %q, want %q", p, got, want)
		}
	}
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/fstab"), []byte("# /mnt/c\n#/dev/x /mnt/c ext4\nUUID=1 /mnt/a\\040b ext4 noauto 0 0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if host := rootfs.HostPath(root); !listed(host, "/mnt/a b") || listed(host, "/mnt/c") || listed(host, "/mnt") {
		t.Error("fstab")
	}
}

// The log of the kernel is read without waiting for more.
func TestKernelLog(t *testing.T) {
	begin, n := time.Now(), 0
	for line := range kernelLog(t.Context()) {
		if !strings.Contains(line, ";") {
			t.Errorf("%q", line)
		}
		n++
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("%d records took %v", n, took)
	}
	t.Logf("%d records", n)
}
