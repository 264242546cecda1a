package report

const graphicsTopic = "Graphics are slow or black"

// nvidiaInstaller installs NVIDIA's libraries of one version, without a kernel module.
const nvidiaInstaller = "{root} sh NVIDIA-Linux-x86_64-{version}.run --no-kernel-module"

var graphicsFaults = []Fault{
	{ID: "gpu-permission", Topic: graphicsTopic, Sees: "glxinfo says llvmpipe, on the host too, or a program says \"failed to open /dev/dri/renderD128: Permission denied\".",
		Why: "You are not in the group that may use the graphics hardware. Then log out and in again. Where logind gives access, it does so only in the session on the screen.", Command: "sudo usermod -aG {group} {user}"},
	{ID: "gpu-mode", Topic: graphicsTopic, Sees: "Only root can use the graphics hardware.",
		Why: "The device has no group, so udev's rules have not run for it. This runs them.", Command: "sudo udevadm trigger --subsystem-match=drm"},
	{ID: "gpu-refused", Topic: graphicsTopic, Sees: "The graphics hardware cannot be opened, though you have the permission.",
		Why: "The driver in the kernel has failed, or a container's rules refuse the device. The kernel's log says more.", Command: "sudo dmesg --level=err,warn"},
	{ID: "gpu-no-driver", Topic: graphicsTopic, Sees: "glxinfo says llvmpipe inside, but not on the host. Games and videos are slow.",
		Why: "chrun shares the device, but the driver in user space is the chroot's own, and the chroot has none for this hardware.", Command: "{install:mesa}"},
	{ID: "gpu-32bit", Topic: graphicsTopic, Sees: "Steam, Wine and other 32-bit programs are slow or show nothing; others are fine.",
		Why: "The chroot has 32-bit programs, but no 32-bit graphics driver.", Command: "{install:mesa-32}"},
	{ID: "gpu-broken", Topic: graphicsTopic, Sees: "Vulkan or EGL finds no device, or \"failed to load driver\".",
		Why: "A file in icd.d or egl_vendor.d names a driver that is not installed, or was removed. Install it again.", Command: "{install:mesa}"},
	{ID: "gpu-software", Topic: graphicsTopic, Sees: "glxinfo says llvmpipe, although the hardware works.",
		Why: "A variable of your environment tells programs to draw with the processor.", Command: "unset LIBGL_ALWAYS_SOFTWARE"},
	{ID: "nvidia-version", Topic: graphicsTopic, Sees: "\"Failed to initialize NVML: Driver/library version mismatch\", or black windows with NVIDIA.",
		Why: "NVIDIA's libraries in the chroot must have exactly the version of the host's driver. Install that version: the file is on download.nvidia.com.", Command: nvidiaInstaller},
	{ID: "nvidia-missing", Topic: graphicsTopic, Sees: "No program in the chroot finds the NVIDIA card.",
		Why: "The chroot lacks NVIDIA's libraries. They must have exactly the version of the host's driver; the file is on download.nvidia.com.", Command: nvidiaInstaller},
	{ID: "nvidia-32bit", Topic: graphicsTopic, Sees: "Steam and other 32-bit programs do not find the NVIDIA card.",
		Why: "NVIDIA's 32-bit libraries are missing in the chroot.", Command: nvidiaInstaller + " --install-compat32-libs"},
	{ID: "device-permission", Topic: "Devices", Sees: "A game controller, camera or serial port is not found.",
		Why: "You are not in the group that may open the device. Then log out and in again.", Command: "sudo usermod -aG {group} {user}"},
	{ID: "network-refused", Topic: "Devices", Sees: "Programs do not see the network at all.",
		Why: "A filter of system calls (seccomp) of a container refuses to list the network's interfaces. The outer container must allow it."},
	{ID: "tabs-crash", Topic: graphicsTopic, Sees: "Tabs of browsers crash: \"Aw, Snap\", or Bus error.",
		Why: "Shared memory is full or small. chrun shares the host's /dev/shm; this makes it larger until the next start.", Command: "sudo mount -o remount,size=50% /dev/shm"},
}
