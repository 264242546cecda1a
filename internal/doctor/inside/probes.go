package inside

// probes are all probes, a file for each.
var probes = []probe{
	{"wayland", probeWayland},
	{"launch", probeProgram},
	{"gpu", probeGPU},
	{"devices", probeDevices},
	{"network", probeNetwork},
	{"sandbox", probeSandbox},
}
