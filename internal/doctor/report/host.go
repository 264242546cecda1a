package report

const namespacesTopic = "User namespaces and browser sandboxes"

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
	{ID: "sandbox-refused", Topic: namespacesTopic, Sees: "A browser says \"No usable sandbox\" or \"Failed to move to new namespace\".",
		Why: "chrun runs in a container or a sandbox whose filter of system calls (seccomp) refuses more user namespaces. The outer one must allow them; do not type --no-sandbox for pages that you do not trust."},
	{ID: "no-new-privileges", Topic: namespacesTopic, Sees: "sudo and su say that they must be owned by uid 0 and have the setuid bit set.",
		Why: "The terminal or service that started chrun does not let its programs gain rights (no_new_privs). Start chrun from another terminal."},
}
