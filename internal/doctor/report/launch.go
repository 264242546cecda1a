package report

const launchTopic = "The program does not start"

var launchFaults = []Fault{
	{ID: "launch", Topic: launchTopic, Sees: "chrun prints an error and ends with 125, 126 or 127.",
		Why: "The launch failed before the program ran. The error says what failed.", Command: "{command}"},
	{ID: "hang", Topic: launchTopic, Sees: "The doctor says that a check had no answer.",
		Why: "A file system or a server accepts requests and does not answer. Programs that need it wait, too."},
	{ID: "not-found", Topic: launchTopic, Sees: "chrun ends with 127: the program is not found in the chroot.",
		Why: "The chroot has no such program on its PATH. Install it as root inside.", Command: "{root}"},
	{ID: "not-executable", Topic: launchTopic, Sees: "chrun ends with 126: permission denied.",
		Why: "The file is there, but your account inside may not execute it.", Command: "{root} chmod a+rx {program}"},
	{ID: "no-interpreter", Topic: launchTopic, Sees: "\"No such file or directory\" for a program that is there, or its interpreter is not in the chroot.",
		Why: "The file names the program or loader that runs it, and the chroot lacks that. Install it as root inside.", Command: "{root}"},
	{ID: "no-library", Topic: launchTopic, Sees: "\"error while loading shared libraries: cannot open shared object file\".",
		Why: "The chroot lacks a library that the program needs, often after an interrupted update. This lists all.", Command: "{chrun} ldd {program}"},
	{ID: "not-program", Topic: launchTopic, Sees: "\"Exec format error\", or the file is not a program.",
		Why: "The file is damaged, or holds data. Install it again as root inside.", Command: "{root}"},
	{ID: "foreign", Topic: launchTopic, Sees: "\"Exec format error\" for every program of a chroot.",
		Why: "The chroot was made for another kind of machine. An emulator on the host can run it, slowly.", Command: "{host-install:qemu}"},
	{ID: "noexec", Topic: launchTopic, Sees: "\"Permission denied\" for every program of a chroot.",
		Why: "The chroot is on a file system that is mounted noexec. To keep the change, remove noexec from /etc/fstab.", Command: "sudo mount -o remount,exec {mount}"},
	{ID: "tree-closed", Topic: launchTopic, Sees: "chrun cannot enter the chroot: permission denied.",
		Why: "A directory, or one above it, is closed to you. This opens it to everybody; root can enter as it is.", Command: "sudo chmod {mode} {directory}"},
	{ID: "not-mounted", Topic: launchTopic, Sees: "chrun cannot enter the chroot: no such file or directory.",
		Why: "The chroot has a file system of its own, and that is not mounted.", Command: "sudo mount {mount}"},
}
