package session

import "testing"

// A path inside is translated to the path that the host has for the same file.
func TestPathMap(t *testing.T) {
	b := &builder{plan: &Plan{Tree: "/srv/tree", Mounts: []Mount{
		{Kind: FromTree, Source: "/", Dest: "/"},
		{Kind: FromTmpfs, Source: "mirror0", Dest: "/home"},
		{Kind: FromTree, Source: "/home/other", Dest: "/home/other"},
		{Kind: FromHost, Source: "/home/me/.local/share/chrun/homes/x", Dest: "/home/me"},
		{Kind: FromHost, Source: "/home/me/Documents", Dest: "/home/me/Documents"},
		{Kind: Overlay, Source: "etc", Lower: "/etc", Dest: "/etc"},
		{Kind: FromHost, Source: "/odd\nname", Dest: "/mnt/odd"},
		{Kind: FromHost, Source: "/odd", Dest: "/mnt/odd\nname"},
		{Kind: FromHost, Source: "/first", Dest: "/mnt/twice"},
		{Kind: FromHost, Source: "/second", Dest: "/mnt/twice"},
	}}}
	p := ParsePathMap(b.pathMapNode().Data)
	for inside, want := range map[Path]HostPath{
		"/":                    "/srv/tree",
		"/usr/share/a b":       "/srv/tree/usr/share/a b",
		"/home":                "",
		"/home/other/x":        "/srv/tree/home/other/x",
		"/home/me/x\ny":        "/home/me/.local/share/chrun/homes/x/x\ny",
		"/home/me/Documents/x": "/home/me/Documents/x",
		"/home/me/Documentsx":  "/home/me/.local/share/chrun/homes/x/Documentsx",
		"/etc/passwd":          "",
		"/etcetera":            "/srv/tree/etcetera",
		"/mnt/odd/x":           "",
		"/mnt/twice":           "/second",
	} {
		if got := p.FindOnHost(inside); got != want {
			t.Errorf("%q is %q, want %q", inside, got, want)
		}
	}
	if p := ParsePathMap(nil); p.FindOnHost("/x") != "" {
		t.Error("an empty map has a path")
	}
}
