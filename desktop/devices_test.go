package desktop

import (
	"testing"

	"chrun/internal/fakedesk"
)

func TestClassify(t *testing.T) {
	for class, names := range map[string][]string{
		"base":    {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "fd", "stdin", "stdout", "stderr", "mqueue", ".host"},
		"shm":     {"shm"},
		"gpu":     {"dri", "nvidia0", "nvidiactl", "nvidia-uvm-tools", "nvidia-caps", "kfd", "mali0", "dxg", "nvhost-gpu", "nvmap", "udmabuf", "kgsl-3d0"},
		"devices": {"snd", "input", "video0", "uinput", "hidraw0", "tty0", "ttyUSB0", "sda", "fuse", "kvm", "net", "bus", "", "nullx", "[", "*"},
	} {
		for _, name := range names {
			if got := classifyDevice(name); got != class {
				t.Errorf("Classify(%q) = %q, want %q", name, got, class)
			}
		}
	}
}

func TestDevices(t *testing.T) {
	d := fakedesk.New(t)
	for _, dir := range []string{"dri", "snd", "shm", "pts"} {
		d.Write("host/dev/"+dir+"/x", "")
	}
	d.Link("snd", "host/dev/link")
	d.Write("host/run/udev/data/x", "")
	host := string(d.Dir.Join("host"))
	fakedesk.WantBinds(t, Gpu.Detect(d.Facts)) // all are allowed, so the whole /dev is shared
	fakedesk.WantBinds(t, Devices.Detect(d.Facts), host+"/run/udev on /run/udev")
	fakedesk.WantBinds(t, Shm.Detect(d.Facts))
	d.Deny("shm")
	fakedesk.WantBinds(t, Gpu.Detect(d.Facts), host+"/dev/dri on /dev/dri")
	fakedesk.WantBinds(t, Devices.Detect(d.Facts), host+"/dev/snd on /dev/snd", host+"/run/udev on /run/udev")
	d.Deny("gpu")
	fakedesk.WantBinds(t, Shm.Detect(d.Facts), host+"/dev/shm on /dev/shm")
}
