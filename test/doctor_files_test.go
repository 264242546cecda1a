package test

import (
	"net"
	"slices"
	"strings"
	"testing"

	"chrun/internal/headless"
)

// with returns the desk with more variables in the environment.
func (d *desk) with(t *testing.T, vars ...string) *desk {
	session := *d.Session
	session.Env = setting(vars...).env(slices.Clone(d.Env))
	return &desk{&session, t, d.chroot}
}

// overlayEtc puts a writable layer over the room's /etc.
const overlayEtc = "umount /etc/resolv.conf 2>/dev/null || :; mkdir $D/etc $D/etcwork; mount -t overlay -o lowerdir=/etc,upperdir=$D/etc,workdir=$D/etcwork overlay /etc"

// Text, language, names and files: each fault has its line, and what the doctor says
// to type mends it.
func TestDoctorFiles(t *testing.T) {
	headless.Root(t)
	answering, silent := nameServer(t, "127.0.0.77", true), nameServer(t, "127.0.0.79", false)
	d := openDesktop(t, headless.Options{Bus: true})
	tree, net := []string{"TREE"}, []string{"--net", "TREE"}
	home := []string{"HOME=$D/home"}
	const root = "sudo chrun --chroot=$D/tree -u root "
	const resolv = "echo nameserver %s >$D/resolv.conf; mount --bind $D/resolv.conf $(readlink -f /etc/resolv.conf)"
	repair := "echo nameserver " + answering + " >$D/resolv.conf"
	for _, c := range []struct {
		env []string
		roomCase
	}{
		{nil, roomCase{"small shm", "mount -t tmpfs -o size=1m,mode=1777 tmpfs /dev/shm", tree,
			"shm", "tabs-crash", nil, "sudo mount -o remount,size=50% /dev/shm", ""}},
		{nil, roomCase{"closed shm", "mount -t tmpfs -o mode=755 tmpfs /dev/shm", tree,
			"shm", "shm-closed", nil, "sudo chmod 1777 /dev/shm", ""}},
		{nil, roomCase{"no fonts", "mount -t tmpfs tmpfs /usr/share/fonts; rm -rf $D/tree/usr/share/fonts/*", tree,
			"fonts", "no-fonts", nil, root + "apt-get install fonts-dejavu", "cp -r $CHROOT/usr/share/fonts/truetype $D/tree/usr/share/fonts"}},
		{nil, roomCase{"no terminals", "mount -t devpts -o newinstance,ptmxmode=000 devpts /dev/pts; rm -f $D/ptmx; mount --bind /dev/pts/ptmx /dev/ptmx", tree,
			"terminal", "no-pty", nil, "sudo chmod 666 /dev/ptmx", ""}},
		{nil, roomCase{"no machine ID", overlayEtc + "; mount -t tmpfs tmpfs /var/lib/dbus; echo uninitialized >/etc/machine-id", tree,
			"machine-id", "no-machine-id", nil, `sudo sh -c "rm -f /etc/machine-id; dbus-uuidgen --ensure=/etc/machine-id"`, ""}},
		{nil, roomCase{"no DNS in nsswitch", "sed -i 's/^hosts:.*/hosts: files/' $D/tree/etc/nsswitch.conf", tree,
			"network-files", "no-dns-in-nsswitch", nil, root + `sed -i "s/^hosts:.*/hosts: files dns/" /etc/nsswitch.conf`, ""}},
		{nil, roomCase{"dead name server", strings.ReplaceAll(resolv, "%s", "192.0.2.1"), net,
			"network-files", "dns-dead", nil, "sudo *", repair}},
		{nil, roomCase{"no local name server", strings.ReplaceAll(resolv, "%s", "127.0.0.78"), net,
			"network-files", "dns-local-dead", nil, "sudo *", repair}},
		{nil, roomCase{"silent name server", strings.ReplaceAll(resolv, "%s", silent), net,
			"network-files", "dns-local-dead", nil, "sudo *", repair}},
		{home, roomCase{"home not writable", "mkdir $D/home; chown $USERNAME $D/home; chmod 500 $D/home", tree,
			"home", "home-mode", nil, "chmod u+rwx $D/home", ""}},
		{home, roomCase{"home of the host", "mkdir $D/home; chown $USERNAME $D/home; chmod 500 $D/home", []string{"--", "-c", "TREE", "--home=host"},
			"home", "home-mode", nil, "chmod u+rwx $D/home", ""}},
		{home, roomCase{"made by sudo", "mkdir -p $D/home/.local; chown $USERNAME $D/home", tree,
			"home", "home-closed", nil, "sudo chown USERNAME $D/home/.local", ""}},
		{nil, roomCase{"named home of root", "mkdir $D/home; chmod 755 $D/home", []string{"--", "-c", "TREE", "--home=$D/home"},
			"home", "home-closed", nil, "sudo chown USERNAME $D/home", ""}},
		{home, roomCase{"home read-only", "mkdir $D/home; mount -t tmpfs -o mode=700,uid=$(id -u $USERNAME) tmpfs $D/home; mount -o remount,ro $D/home", tree,
			"home", "home-read-only", nil, `sudo mount -o remount,rw "$(findmnt -n -o TARGET -T $D/home)"`, ""}},
		{home, roomCase{"disk full", "mkdir $D/home; mount -t tmpfs -o mode=700,uid=$(id -u $USERNAME),size=2m tmpfs $D/home; dd if=/dev/zero of=$D/home/large bs=1M count=3 status=none || :", tree,
			"home", "home-full", nil, "du -xh -d 1 $D/home* | sort -h", "rm $D/home/large"}},
		{[]string{"GTK_IM_MODULE=fcitx"}, roomCase{"no input module", "", tree,
			"input-method", "no-input-module", nil, root + "apt-get install fcitx5-frontend-gtk3", "touch $D/tree/usr/lib/x86_64-linux-gnu/gtk-3.0/3.0.0/immodules/im-fcitx5.so"}},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, d.with(t, c.env...)) })
	}
}

// A terminal that nobody knows is described by one that it is like.
func TestDoctorUnknownTerminal(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	m := setting("TERM=nonesuch-terminal")
	line := wantFault(t, d.doctor(m, d.chroot), "terminal", "no-terminfo")
	wantGood(t, d.typeAndLook(m, line), "terminal", "xterm-256color is known")
}

// nameServer listens on a local address, and answers if it should.
func nameServer(t *testing.T, address string, answers bool) string {
	t.Helper()
	c, err := net.ListenPacket("udp", address+":53")
	headless.Must(t, "root", err)
	t.Cleanup(func() { c.Close() })
	go func() {
		for b := make([]byte, 512); ; {
			n, from, err := c.ReadFrom(b)
			switch {
			case err != nil:
				return
			case answers:
				b[2] |= 0x80 // an answer (RFC 1035, section 4.1.1)
				c.WriteTo(b[:n], from)
			}
		}
	}()
	return address
}

// What chrun repairs itself is a note: a locale that the chroot lacks, and a time zone
// that nobody has.
func TestDoctorLanguage(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{}).with(t, "LANG=de_DE.UTF-8")
	r := d.openRoom(t, "")
	command := wantNote(t, r.doctor(r.tree), "locale-time", "no-locale")
	if want := "sudo chrun --chroot=" + r.tree + " -u root localedef -i de_DE -f UTF-8 de_DE.UTF-8"; command != want {
		t.Errorf("%q, want %q", command, want)
	}
	r.typeLine(command)
	wantGood(t, r.doctor(r.tree), "locale-time", "de_DE.UTF-8")

	r = d.with(t, "LANG=xx_YY.UTF-8").openRoom(t, "")
	if command = wantNote(t, r.doctor(r.tree), "locale-time", "no-locale-source"); !strings.HasSuffix(command, "apt-get install locales-all") {
		t.Errorf("%q", command)
	}
	r = d.openRoom(t, "mkdir -p $D/bare/bin $D/bare/etc") // no C library, so no locales
	wantGood(t, r.doctor(r.dir+"/bare"), "locale-time", "time zone")
	if rep := r.doctor(r.dir + "/bare"); hasNote(rep, "no-locale-source") {
		t.Errorf("%+v", rep.Checks)
	}

	m := setting("TZ=Mars/Olympus", "LANG=C.UTF-8")
	if command = wantNote(t, d.doctor(m, d.chroot), "locale-time", "wrong-zone"); hasNote(d.typeAndLook(m, command), "wrong-zone") {
		t.Errorf("%s has changed nothing", command)
	}
}

// A host without name servers is a note: it may have no network.
func TestDoctorNoResolver(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{})
	r := d.openRoom(t, overlayEtc+"; rm -f /etc/resolv.conf; ln -s /run/none/stub-resolv.conf /etc/resolv.conf")
	wantNote(t, r.doctor(r.tree), "network-files", "no-host-resolv-conf")
	r.typeLine("sudo sh -c 'rm /etc/resolv.conf; echo nameserver 10.0.0.1 >/etc/resolv.conf'") // as the service does
	wantGood(t, r.doctor(r.tree), "network-files", "10.0.0.1")
}

// A machine ID that the person has denied is a note. Root inside keeps the chroot's.
func TestDoctorMachineID(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{})
	r := d.openRoom(t, "echo 00112233445566778899aabbccddeeff >$D/tree/etc/machine-id")
	words := []string{"--", "-c", r.tree, "--deny", "machine-id"}
	command := wantNote(t, r.doctor(words...), "machine-id", "wrong-machine-id")
	if want := "sudo install -m 444 /etc/machine-id " + r.tree + "/etc/machine-id"; command != want {
		t.Errorf("%q, want %q", command, want)
	}
	r.typeLine(command)
	wantGood(t, r.doctor(words...), "machine-id", "the host's")
}

// A hostile chroot cannot make the doctor hang or write, and its escapes do not reach
// the terminal.
func TestDoctorHostileTree(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{Bus: true}).with(t, "TERM=xterm-hostile", "LANG=de_DE.UTF-8", "GTK_IM_MODULE=fcitx")
	const hostile = `cd $D/tree
printf 'ID="\033[2Jdebian\007"\nNAME="\033]0;x\007"\n' >etc/os-release; rm -f usr/lib/os-release
printf 'chruntest:x:1500:1500:\033[2J:/home/\033[31m:/bin/\007sh\n' >>etc/passwd
rm -f etc/resolv.conf etc/machine-id var/lib/dbus/machine-id etc/localtime etc/nsswitch.conf
mkfifo etc/resolv.conf etc/nsswitch.conf; ln -s /dev/zero etc/machine-id; mkfifo etc/localtime
rm -rf usr/lib/locale; mkdir usr/lib/locale; mkfifo usr/lib/locale/locale-archive
mkdir -p usr/share/terminfo/x usr/share/fonts/circle; mkfifo usr/share/terminfo/x/xterm-hostile
ln -s . usr/share/fonts/circle/a; ln -s .. usr/share/fonts/circle/b; ln -s ../circle usr/share/fonts/circle/c
mkfifo usr/share/fonts/x.ttf; ln -s /dev/zero usr/share/fonts/y.ttf; ln -s z.ttf usr/share/fonts/z.ttf
`
	for name, conf := range map[string]string{
		"FIFO":    "rm etc/fonts/fonts.conf; mkfifo etc/fonts/fonts.conf",
		"endless": "ln -sf /dev/zero etc/fonts/fonts.conf",
		"huge":    "truncate -s 10G etc/fonts/fonts.conf",
		"10 MB":   `(echo '<fontconfig>'; yes '<dir>/usr/share/fonts/circle</dir><include>fonts.conf</include>' | head -c 10000000) >etc/fonts/fonts.conf`,
		"circle":  "echo '<fontconfig><include>conf.d</include><dir>/</dir></fontconfig>' >etc/fonts/fonts.conf; rm -rf etc/fonts/conf.d; mkdir etc/fonts/conf.d; ln -s ../fonts.conf etc/fonts/conf.d/10-a.conf; ln -s . etc/fonts/conf.d/11-b.conf",
		"text":    `printf '<fontconfig><dir>\033[2J\007</dir><dir>%%s%%n</dir><dir>~</dir><dir></dir></fontconfig' >etc/fonts/fonts.conf`,
	} {
		t.Run(name, func(t *testing.T) {
			r := d.openRoom(t, hostile+conf+"\n(cd $D/up; find . -ls) >$D/before")
			rep := r.doctor("--net", r.tree)
			if rep.Millis > 4000 {
				t.Errorf("%d ms", rep.Millis)
			}
			for _, row := range []string{"network-files", "machine-id", "fonts", "terminal", "locale-time", "home", "input-method"} {
				if _, ok := find(rep, row, "hang"); ok {
					t.Errorf("%s hangs", row)
				}
			}
			if res := r.run(false, chrunctlProgram, "doctor", "-v", r.tree); strings.ContainsAny(res.stdout+res.stderr, "\x1b\x07") {
				t.Errorf("an escape: %q", res.stdout)
			}
			if res := r.run(true, "sh", "-c", "cd $D/up; find . -ls | diff $D/before -"); res.err != nil {
				t.Errorf("the chroot was changed: %s", res.stdout)
			}
		})
	}
}

// Documents are the same files inside. A file system among them that does not answer
// does not stop the doctor.
func TestDoctorDocuments(t *testing.T) {
	headless.Root(t)
	d, home := homeDesk(t)
	wantGood(t, d.doctor(both, d.chroot), "documents", "the same as on the host")
	mountDeadIn(t, home, d.User)
	rep := d.doctor(both, d.chroot)
	wantGood(t, rep, "documents", "the same as on the host")
	if rep.Millis > 3000 {
		t.Errorf("%d ms", rep.Millis)
	}
}
