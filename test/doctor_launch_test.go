package test

import (
	"testing"

	"chrun/internal/headless"
)

// What keeps the program from starting is named, with one command that mends it.
func TestDoctorLaunch(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{Compositor: "weston", Bus: true})
	foo := []string{"--", "-c", "TREE", "foo"}
	for _, c := range []roomCase{
		{"noexec", "mount -o remount,noexec $D/tree", []string{"TREE"},
			"launch", "noexec", nil, "sudo mount -o remount,exec $D/tree", ""},
		{"closed", "chmod 700 $D/tree", []string{"TREE"},
			"launch", "tree-closed", nil, "sudo chmod a+rx $D/tree", ""},
		{"not readable", "chmod 711 $D/tree", []string{"TREE"},
			"launch", "tree-closed", nil, "sudo chmod a+rx $D/tree", ""},
		{"closed above", "chmod 700 $D", []string{"TREE"},
			"launch", "tree-closed", nil, "sudo chmod a+x $D", ""},
		{"not mounted", `mkdir $D/etc $D/etcwork $D/box; mount -t overlay -o lowerdir=/etc,upperdir=$D/etc,workdir=$D/etcwork overlay /etc
echo "$D/tree $D/box none bind 0 0" >>/etc/fstab`, []string{"$D/box"},
			"launch", "not-mounted", nil, "sudo mount $D/box", ""},
		{"foreign", `rm $D/tree/usr/bin/dash; cp $CHROOT/usr/bin/dash $D/tree/usr/bin/dash; printf '\267' | dd of=$D/tree/usr/bin/dash bs=1 seek=18 conv=notrunc status=none`, []string{"TREE"},
			"launch", "foreign", nil, "sudo * qemu-user-static", "cp $CHROOT/usr/bin/dash $D/tree/usr/bin/dash"},
		{"not found", "", foo,
			"launch", "not-found", nil, "sudo chrun --chroot=$D/tree -u root", "cp $CHROOT/bin/true $D/tree/usr/local/bin/foo"},
		{"not installed", "", []string{"--", "-c", "TREE", "gimp"},
			"launch", "other-program", nil, "sudo chrun --chroot=$D/tree -u root apt-get install gimp", "cp $CHROOT/bin/true $D/tree/usr/local/bin/gimp"},
		{"mistyped", "", []string{"--", "-c", "TREE", "xeys", "-x"},
			"launch", "other-program", nil, "chrun --chroot=$D/tree xeyes -x", "cp $CHROOT/bin/true $D/tree/usr/local/bin/xeys"},
		{"not executable", "cp $CHROOT/bin/true $D/tree/usr/local/bin/foo; chmod 644 $D/tree/usr/local/bin/foo", foo,
			"launch", "not-executable", nil, "sudo chrun --chroot=$D/tree -u root chmod a+rx /usr/local/bin/foo", ""},
		{"no interpreter", `printf '#!/opt/nonesuch -x\n' >$D/tree/usr/local/bin/foo; chmod 755 $D/tree/usr/local/bin/foo`, foo,
			"launch", "no-interpreter", nil, "sudo chrun --chroot=$D/tree -u root", "mkdir -p $D/tree/opt; cp $CHROOT/bin/true $D/tree/opt/nonesuch"},
		{"no loader", `sed s,/lib64/ld-linux,/lib65/ld-linux, $CHROOT/bin/true >$D/tree/usr/local/bin/foo; chmod 755 $D/tree/usr/local/bin/foo`, foo,
			"launch", "no-interpreter", nil, "sudo chrun --chroot=$D/tree -u root", "cp $CHROOT/bin/true $D/tree/usr/local/bin/foo"},
		{"no library", `rm $D/tree/usr/lib/*/libXt.so.6*; rm $D/tree/etc/ld.so.cache`, []string{"--", "-c", "TREE", "xeyes"},
			"launch", "no-library", nil, "chrun --chroot=$D/tree ldd /usr/bin/xeyes", "cp -P $CHROOT/usr/lib/x86_64-linux-gnu/libXt.so.6* $D/tree/usr/lib/x86_64-linux-gnu"},
		{"not a program", `head -c 100 /dev/zero >$D/tree/usr/local/bin/foo; chmod 755 $D/tree/usr/local/bin/foo`, foo,
			"launch", "not-program", nil, "sudo chrun --chroot=$D/tree -u root", "cp $CHROOT/bin/true $D/tree/usr/local/bin/foo"},
		{"not a chroot", "mkdir $D/other", []string{"$D/other"},
			"launch", "launch", nil, "", "mkdir -p $D/other/usr $D/other/etc $D/other/bin"},
		{"no home", "", []string{"--", "-c", "TREE", "--home=$D/nowhere"},
			"launch", "launch", nil, "", "mkdir $D/nowhere; chown $SUDO_UID $D/nowhere"},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, d) })
	}
}
