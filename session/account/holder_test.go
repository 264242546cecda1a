package account

import "testing"

// A number may belong to somebody without a line in passwd.
func TestHolder(t *testing.T) {
	alice := Account{Name: "alice", UID: 1500}
	const sub = "alice:100000:65536\nbob:200000:65536\n1500:600000:10\n 1777:300000:5 \nbroken\n:400000:5\ncarol:x:5\n"
	host := makeHost(t, map[string]string{"etc/passwd": "bob:x:1600:1600::/:/bin/sh\neve:x:100007:1::/:/bin/sh\n",
		"etc/group": "disk:x:6:\nbob:x:1600:\n", "etc/subuid": sub, "etc/subgid": "bob:200000:65536\n", "usr/bin/getent": "#!/bin/sh\nexit 2"})
	for uid, want := range map[int]string{1600: "bob", 100007: "eve", 100008: "", 200000: "bob (by /etc/subuid)", 265535: "bob (by /etc/subuid)", 265536: "",
		300004: "1777 (by /etc/subuid)", 400001: "", 1000: "", 60999: "", 61184: systemRanges[0].who, 65519: systemRanges[0].who, 65520: "",
		524287: "", 524288: systemRanges[1].who, 600009: "", 600010: systemRanges[1].who, 1879048191: systemRanges[1].who, 1879048192: ""} {
		if who, ok := HolderOfUID(uid, alice, host); who != want || ok != (want != "") {
			t.Errorf("uid %d: %q %v, want %q", uid, who, ok, want)
		}
	}
	for gid, want := range map[int]bool{6: true, 100000: false, 200001: true, 61184: true, 1000: false} {
		if who, ok := HolderOfGID(gid, alice, host); ok != want {
			t.Errorf("gid %d: %q %v", gid, who, ok)
		}
	}
	if who, ok := HolderOfUID(1000, alice, makeHost(t, map[string]string{"etc/passwd": "", "etc/group": ""})); ok {
		t.Errorf("a host without /etc/subuid: %q", who)
	}
}
