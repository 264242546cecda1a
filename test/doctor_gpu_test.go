package test

import (
	"slices"
	"strings"
	"testing"

	"chrun/internal/doctor/report"
	"chrun/internal/headless"
)

// fakeGPU makes a /dev of the room's own with a node of a GPU, which is no real one, and
// says in /sys that its driver is amdgpu.
const fakeGPU = ownEtc + `mkdir $D/dev
mount -t tmpfs -o mode=755 tmpfs $D/dev
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/ptmx /dev/fd /dev/stdin /dev/stdout /dev/stderr $D/dev
mkdir $D/dev/pts $D/dev/shm $D/dev/dri $D/dev/input
mount --bind /dev/pts $D/dev/pts
mount --bind /dev/shm $D/dev/shm
mknod -m 660 $D/dev/dri/renderD128 c 1 3
chgrp video $D/dev/dri/renderD128
mount --move $D/dev /dev
mount -t tmpfs tmpfs /sys/class
mkdir -p /sys/class/drm/renderD128/device/power /sys/class/amdgpu
ln -s ../../../amdgpu /sys/class/drm/renderD128/device/driver
sed -i s/^video:.*/video:x:44:$USERNAME/ /etc/group
L=$D/tree/usr/lib/x86_64-linux-gnu
`

// fakeNvidia gives the host a driver of NVIDIA's and the chroot its libraries.
const fakeNvidia = fakeGPU + `mount -t tmpfs tmpfs /proc/driver
mkdir /proc/driver/nvidia
echo 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024' >/proc/driver/nvidia/version
cp $L/libGL.so.1 $L/libnvidia-glcore.so.550.54.14
`

// The GPU is opened as drivers do, and the drivers of the chroot are named.
func TestDoctorGPU(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{Compositor: "weston", Bus: true})
	good := func(rep report.Report, text string) bool {
		return slices.ContainsFunc(rep.Checks, func(c report.Check) bool {
			return c.Feature == "gpu" && c.Status == report.OK && strings.Contains(c.Text, text)
		})
	}
	for name, c := range map[string]struct{ setup, want string }{
		"healthy":   {fakeGPU, "renderD128 (amdgpu): Mesa radeonsi"},
		"vulkan":    {fakeGPU + `cp $L/libGL.so.1 $L/libvulkan_radeon.so; mkdir -p $D/tree/usr/share/vulkan/icd.d; echo '{"ICD": {"library_path": "libvulkan_radeon.so"}}' >$D/tree/usr/share/vulkan/icd.d/radeon.json`, "Mesa radeonsi, Vulkan radeon"},
		"gallium":   {fakeGPU + `rm $L/dri/*; cp $L/libGL.so.1 $L/libgallium-25.0.so`, "Mesa radeonsi"},
		"suspended": {fakeGPU + `echo suspended >/sys/class/drm/renderD128/device/power/runtime_status; chmod 0 /dev/dri/renderD128`, "renderD128 sleeps (amdgpu)"},
		"nvidia":    {fakeNvidia, "NVIDIA 550.54.14 on both sides"},
	} {
		t.Run(name, func(t *testing.T) {
			rep := d.openRoom(t, c.setup).doctor("TREE")
			if len(failures(rep)) > 0 || !good(rep, c.want) {
				t.Errorf("%q is missing:\n%s\n%+v", c.want, strings.Join(failures(rep), "\n"), rep.Checks)
			}
		})
	}
	for _, c := range []roomCase{
		{"no permission", fakeGPU + "sed -i s/^video:.*/video:x:44:/ /etc/group", []string{"TREE"},
			"gpu", "gpu-permission", nil, "sudo usermod -aG video USERNAME", ""},
		{"no permission, selected devices", fakeGPU + "sed -i s/^video:.*/video:x:44:/ /etc/group", []string{"--", "-c", "TREE", "--deny", "shm"},
			"gpu", "gpu-permission", nil, "sudo usermod -aG video USERNAME", ""},
		{"no group", fakeGPU + "chown root:root /dev/dri/renderD128; chmod 600 /dev/dri/renderD128", []string{"TREE"},
			"gpu", "gpu-mode", nil, "sudo udevadm trigger --subsystem-match=drm", "chgrp video /dev/dri/renderD128; chmod 660 /dev/dri/renderD128"},
		{"NVIDIA of another version", fakeNvidia + "mv $L/libnvidia-glcore.so.550.54.14 $L/libnvidia-glcore.so.535.183.01", []string{"TREE"},
			"gpu", "nvidia-version", nil, "sudo chrun --chroot=$D/tree -u root sh NVIDIA-Linux-x86_64-550.54.14.run --no-kernel-module",
			"mv $D/tree/usr/lib/x86_64-linux-gnu/libnvidia-glcore.so.535.183.01 $D/tree/usr/lib/x86_64-linux-gnu/libnvidia-glcore.so.550.54.14"},
		{"NVIDIA of 32 bits", fakeNvidia + "cp " + headless.Files32(t) + "/lib/ld-linux.so.2 $D/tree/usr/lib/ld-linux.so.2; mkdir $D/tree/usr/lib/i386-linux-gnu; cp $D/tree/usr/lib/ld-linux.so.2 $D/tree/usr/lib/i386-linux-gnu/libnvidia-glcore.so.535.183.01", []string{"TREE"},
			"gpu", "nvidia-version", nil, "sudo chrun --chroot=$D/tree -u root sh NVIDIA-Linux-x86_64-550.54.14.run --no-kernel-module",
			"mv $D/tree/usr/lib/i386-linux-gnu/libnvidia-glcore.so.535.183.01 $D/tree/usr/lib/i386-linux-gnu/libnvidia-glcore.so.550.54.14"},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, d) })
	}
}

// What makes graphics slow, though they work, is a note.
func TestDoctorGPUNotes(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{Compositor: "weston", Bus: true})
	for _, c := range []noteCase{
		{"no driver", fakeGPU + "rm $L/dri/radeonsi_dri.so", "gpu", "gpu-no-driver", "sudo chrun --chroot=$D/tree -u root apt-get install libgl1-mesa-dri", "cp $CHROOT/usr/lib/x86_64-linux-gnu/dri/radeonsi_dri.so $D/tree/usr/lib/x86_64-linux-gnu/dri/"},
		{"no 32-bit driver", fakeGPU + "cp " + headless.Files32(t) + "/lib/ld-linux.so.2 $D/tree/usr/lib/ld-linux.so.2", "gpu", "gpu-32bit", "sudo chrun --chroot=$D/tree -u root apt-get install libgl1-mesa-dri:i386",
			"mkdir -p $D/tree/usr/lib/i386-linux-gnu/dri; cp $D/tree/usr/lib/ld-linux.so.2 $D/tree/usr/lib/i386-linux-gnu/dri/radeonsi_dri.so"},
		{"broken ICD", fakeGPU + `mkdir -p $D/tree/etc/vulkan/icd.d; echo '{"ICD": {"library_path": "libvulkan_gone.so"}}' >$D/tree/etc/vulkan/icd.d/gone.json`, "gpu", "gpu-broken", "", "rm $D/tree/etc/vulkan/icd.d/gone.json"},
		{"NVIDIA without libraries", fakeNvidia + "rm $L/libnvidia*", "gpu", "nvidia-missing", "sudo chrun --chroot=$D/tree -u root sh NVIDIA-Linux-x86_64-550.54.14.run --no-kernel-module", "cp $CHROOT/usr/lib/x86_64-linux-gnu/libGL.so.1 $D/tree/usr/lib/x86_64-linux-gnu/libnvidia-glcore.so.550.54.14"},
		{"controller", fakeGPU + "grep -q ^input: /etc/group || echo input:x:9998: >>/etc/group; mknod -m 660 /dev/input/js0 c 13 0; chgrp input /dev/input/js0", "devices", "device-permission", "sudo usermod -aG input " + d.User.Name, ""},
		{"camera", fakeGPU + "sed -i s/^video:.*/video:x:44:/ /etc/group; rm /dev/dri/*; mknod -m 660 /dev/video0 c 81 0; chgrp video /dev/video0", "devices", "device-permission", "sudo usermod -aG video " + d.User.Name, ""},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, d) })
	}
	t.Run("software", func(t *testing.T) {
		r := d.openRoom(t, fakeGPU)
		r.env = append(slices.Clone(r.env), "LIBGL_ALWAYS_SOFTWARE=1")
		if command := wantNote(t, r.doctor("TREE"), "gpu", "gpu-software"); command != "unset LIBGL_ALWAYS_SOFTWARE" {
			t.Errorf("%q", command)
		}
	})
}
