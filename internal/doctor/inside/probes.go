package inside

// probes are all probes, a file for each.
var probes = []probe{
	{"wayland", probeWayland},
	{"launch", probeProgram},
	{"session-bus", probeSessionBus},
	{"system-bus", probeSystemBus},
	{"accessibility", probeAccessibility},
	{"gpu", probeGPU},
	{"devices", probeDevices},
	{"network", probeNetwork},
	{"sandbox", probeSandbox},
	{"input-method", probeInputMethod},
	{"locale-time", probeLocaleTime},
	{"terminal", probeTerminal},
	{"fonts", probeFonts},
	{"agents", probeAgents},
	{"printing", probePrinting},
	{"smartcard", probeSmartcard},
	{"host-open", probeHostOpen},
	{"network-files", probeNetworkFiles},
	{"machine-id", probeMachineID},
	{"home", probeHome},
	{"documents", probeDocuments},
	{"shm", probeShm},
	{"tmp", probeTmp},
}
