package report

const launchTopic = "The program does not start"

var launchFaults = []Fault{
	{ID: "launch", Topic: launchTopic, Sees: "chrun prints an error and ends with 125, 126 or 127.",
		Why: "The launch failed before the program ran. The error says what failed.", Command: "{command}"},
	{ID: "hang", Topic: launchTopic, Sees: "The doctor says that a check had no answer.",
		Why: "A file system or a server accepts requests and does not answer. Programs that need it wait, too."},
	{ID: "not-found", Topic: launchTopic, Sees: "chrun ends with 127: the program is not found in the chroot.",
		Why: "The chroot has no such program on its PATH. Install it as root inside.", Command: "{root}"},
	{ID: "other-program", Topic: launchTopic, Sees: "chrun ends with 127 and names another program, chroot or package.",
		Why: "The word is not a program of this chroot, but like one; or its package is known.", Command: "{command}"},
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

const menuTopic = "Programs in the menu"

// menuFaults are those that only a person can see.
var menuFaults = []Fault{
	{ID: "words-split", Topic: launchTopic, Sees: "A file name with blanks, quotes or $ arrives in pieces.",
		Why: "chrun passes every word as it is. A script in between, or sh -c, splits them: put \"$@\" there. This shows what arrives.", Command: "{chrun} printf '%s\\n' 'two words' '$x'"},
	{ID: "menu-no-file", Topic: menuTopic, Sees: "\"Open with\" starts the program, but without the file.",
		Why: "The entry was edited, and its Exec line no longer has %f or %u; or the file is in a directory that is denied. This says which entries you have changed.", Command: "chrunctl sync {name}"},
	{ID: "menu-icon", Topic: menuTopic, Sees: "An exported program has no icon, or an old one.",
		Why: "The icon came later than the export, and was installed without chrun.", Command: "chrunctl sync {name}"},
	{ID: "menu-second-icon", Topic: menuTopic, Sees: "A running program has a second, generic icon in the taskbar.",
		Why: "The desktop matches windows to entries by the entry's name. chrun keeps the names; entries that you made yourself need StartupWMClass. This exports the original.", Command: "chrunctl export {name} {app}"},
	{ID: "menu-host-copy", Topic: menuTopic, Sees: "The menu or a link starts the host's copy of the program.",
		Why: "Both systems have the program, and the host's entry is first or is the default. The exported one has the chroot's name in brackets; choose it in the desktop's settings, or let it claim the types.", Command: "chrunctl export {name} {app} --mime=all"},
	{ID: "menu-too-much", Topic: menuTopic, Sees: "The menu has more programs of the chroot than you want.",
		Why: "\"chrunctl export --all\" exports every program that the chroot offers. What you remove stays away.", Command: "chrunctl unexport {name} {app}"},
	{ID: "menu-edited", Topic: menuTopic, Sees: "An entry that you have edited with a menu editor does not start.",
		Why: "Some editors change the quotes of the Exec line, and chrun does not touch what you have changed. This makes the entry again.", Command: "rm ~/.local/share/applications/{app}.desktop && chrunctl sync {name}"},
	{ID: "still-running", Topic: "The program does not end", Sees: "A program is still there after its terminal was closed, or the chroot is busy.",
		Why: "Programs that went to the background, or were opened by a running one, live on. This ends all programs of the chroot.", Command: "chrunctl kill {name}"},
	{ID: "rm-chroot", Topic: filesTopic, Sees: "You want to delete a chroot in which something of the host is mounted.",
		Why: "chrun mounts only for its programs and leaves nothing, but other tools do, and rm -r would delete the host's files. This refuses if anything is mounted.", Command: "chrunctl remove {name}"},
	{ID: "slow-start", Topic: launchTopic, Sees: "Every program takes seconds to start.",
		Why: "chrun needs some milliseconds. What waits is a name server, a network file system or a server that does not answer; the doctor names it. This shows chrun's own part.", Command: "time {chrun} true"},
}
