package report

const (
	namespacesTopic = "User namespaces and browser sandboxes"
	subidTopic      = "Root inside and chroots of your own"
	recordsTopic    = "Menus and what was left behind"
)

// IsNamespaceFault reports whether a fault says that user namespaces cannot be made.
func IsNamespaceFault(id string) bool {
	f, ok := FindFault(id)
	return ok && f.Topic == namespacesTopic
}

var hostFaults = []Fault{
	{ID: "kernel.unprivileged_userns_clone", Topic: namespacesTopic, Sees: "chrun cannot make a user namespace, or a browser says \"No usable sandbox\".",
		Why:     "A switch of this kernel keeps users from making user namespaces. To keep the change, write it to a file in /etc/sysctl.d.",
		Command: "sudo sysctl kernel.unprivileged_userns_clone=1"},
	{ID: "user.max_user_namespaces", Topic: namespacesTopic, Sees: "chrun cannot make a user namespace: no space left on device.",
		Why: "The kernel allows no more user namespaces.", Command: "sudo sysctl user.max_user_namespaces=15000"},
	{ID: "user.max_mnt_namespaces", Topic: namespacesTopic, Sees: "chrun cannot make a mount namespace.",
		Why: "The kernel allows no more mount namespaces.", Command: "sudo sysctl user.max_mnt_namespaces=15000"},
	{ID: "user.max_net_namespaces", Topic: namespacesTopic, Sees: "A browser says \"No usable sandbox\", or --deny network fails.",
		Why: "The kernel allows no more network namespaces.", Command: "sudo sysctl user.max_net_namespaces=15000"},
	{ID: "kernel.apparmor_restrict_unprivileged_userns", Topic: namespacesTopic, Sees: "A browser says \"Failed to move to new namespace: Operation not permitted\", or chrun may not mount.",
		Why:     "AppArmor lets only programs with a profile use user namespaces. \"sudo make install\" installs chrun's; programs that make their own need the switch.",
		Command: "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
	{ID: "userns-refused", Topic: namespacesTopic, Sees: "chrun cannot make a user namespace, though no switch of the kernel is off.",
		Why: "chrun runs in a container, a sandbox or another chroot that does not allow it. The outer one must allow user namespaces; root needs none.", Command: "sudo {chrun}"},
	{ID: "no-clone3", Topic: namespacesTopic, Sees: "chrun says \"function not implemented\".",
		Why: "If this prints 2, a container's filter of system calls (seccomp) refuses what chrun needs, and the container must be started without it; else the kernel is older than Linux 5.12.", Command: "grep Seccomp: /proc/self/status"},
	{ID: "in-chroot", Topic: namespacesTopic, Sees: "chrun cannot make a user namespace, or stop mounts from propagating, in another chroot.",
		Why: "The kernel allows neither after chroot(8). Leave the outer chroot and run chrun on the host; or enter the outer one with chrun, too.", Command: "exit"},
	{ID: "sandbox-refused", Topic: namespacesTopic, Sees: "A browser says \"No usable sandbox\" or \"Failed to move to new namespace\".",
		Why: "chrun runs in a container or a sandbox whose filter of system calls (seccomp) refuses more user namespaces. The outer one must allow them; do not type --no-sandbox for pages that you do not trust."},
	{ID: "no-new-privileges", Topic: namespacesTopic, Sees: "sudo and su say that they must be owned by uid 0 and have the setuid bit set.",
		Why: "The terminal or service that started chrun does not let its programs gain rights (no_new_privs). Start chrun from another terminal."},
	{ID: "no-subids", Topic: subidTopic, Sees: "chrunctl create says that you have no subordinate IDs, or you cannot be root in your own chroot.",
		Why: "The files of a system belong to many users, and /etc/subuid and /etc/subgid give you no numbers for them.", Command: "{command}"},
	{ID: "no-newuidmap", Topic: subidTopic, Sees: "newuidmap or newgidmap is missing.",
		Why: "A chroot made by \"chrunctl create\" needs the host's programs newuidmap and newgidmap.", Command: "{host-install:uidmap}"},
	{ID: "mapper-mode", Topic: subidTopic, Sees: "newuidmap says \"write to uid_map failed: Operation not permitted\".",
		Why: "The program has lost its setuid bit, as copied systems do, or is on a file system mounted nosuid.", Command: "sudo chmod u+s {program}"},
	{ID: "mapper-refused", Topic: subidTopic, Sees: "newuidmap says that a range is not allowed.",
		Why: "The lines of /etc/subuid and /etc/subgid do not give you the numbers that the chroot has.", Command: "{command}"},
	{ID: "idmap-refused", Topic: subidTopic, Sees: "--identity=idmap says that the kernel or the file system refuses it.",
		Why: "The file system of the chroot has no idmapped mounts, or the kernel is older than Linux 5.12. --identity=remap needs none.", Command: "{chrun} --identity=remap"},
	{ID: "mounts-private", Topic: filesTopic, Sees: "A stick that you plug in appears on the host, but not in a program that runs already.",
		Why: "The host's mounts are private, as without systemd. Programs started later see it.", Command: "sudo mount --make-shared {mount}"},
	{ID: "clock", Topic: "The machine", Sees: "Web pages have invalid certificates; make and package managers complain of files in the future.",
		Why: "The machine's clock is wrong.", Command: "{set-clock}"},
	{ID: "other-chrun", Topic: "The machine", Sees: "A flag is unknown, or chrun does something else from the menu than in the terminal.",
		Why: "Another version of chrun is installed too, and PATH decides which one runs.", Command: "sudo install -m 755 {new} {old}"},
	{ID: "apparmor-denied", Topic: "The machine", Sees: "A program gets \"Permission denied\" for a socket or a file that you may use.",
		Why: "A profile of AppArmor on the host confines it. This makes the profile only report.", Command: "sudo aa-complain {profile}"},
	{ID: "selinux-denied", Topic: "The machine", Sees: "A program gets \"Permission denied\", and the log has \"avc: denied\".",
		Why: "SELinux on the host confines it. The log says what it has refused.", Command: "sudo ausearch -m avc -ts boot -c {program}"},
	{ID: "journal-stale", Topic: recordsTopic, Sees: "After a launch with --identity=grant was killed, its account still has access to the desktop.",
		Why: "Only the end of the launch takes the access away. The next such launch does, or this.", Command: "sudo chrunctl gc"},
	{ID: "journal-broken", Topic: recordsTopic, Sees: "A launch with --identity=grant says that it cannot use the journal.",
		Why: "Something else has made or changed root's records in /run/chrun. The next launch makes them again.", Command: "sudo mv /run/chrun/journal /run/chrun/journal.broken"},
	{ID: "export-stale", Topic: recordsTopic, Sees: "The menu lacks a program that you have installed in the chroot, or has one that you have removed.",
		Why: "The chroot was changed without chrun, so the menu was not updated.", Command: "chrunctl sync {name}"},
	{ID: "export-forgotten", Topic: recordsTopic, Sees: "The menu has programs of a chroot that is gone.",
		Why: "The chroot was removed without \"chrunctl remove\".", Command: "chrunctl sync {name}"},
	{ID: "export-broken", Topic: recordsTopic, Sees: "chrunctl sync says that it cannot export.",
		Why: "The record of what is in the menu, or the chroot, cannot be read. The message says which.", Command: "chrunctl sync {name}"},
	{ID: "tree-left", Topic: recordsTopic, Sees: "A hidden directory with half a system is beside your chroots.",
		Why: "chrunctl create or remove was killed. The next one removes it, or this.", Command: "chrunctl gc"},
}
