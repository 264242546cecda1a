package inside

// probes are all probes, a file for each.
var probes = []probe{
	{"wayland", probeWayland},
	{"launch", probeProgram},
	{"sandbox", probeSandbox},
}
