package trees

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestReadReleases(t *testing.T) {
	const table = `version,codename,series,created,release,eol,eol-lts
1.1,Buzz,buzz,1993-08-16,1996-06-17,1997-06-05
10,Buster,buster,2017-06-17,2019-07-06,2022-09-10
11,Bullseye,bullseye,2019-07-06,2021-08-14,2024-08-14,2026-08-31
12,Bookworm,bookworm,2021-08-14,2023-06-10,2026-06-10,2028-06-30
13,Trixie,trixie,2023-06-10,2025-08-09,2028-08-09,2030-06-30
14,Forky,forky,2025-08-09
,Sid,sid,1993-08-16
`
	now := time.Date(2025, 8, 8, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]struct{ all, current []string }{
		table: {
			[]string{"buzz", "buster", "bullseye", "bookworm", "trixie", "forky", "sid", "oldoldstable", "oldstable", "stable", "testing", "unstable"},
			[]string{"buzz", "buster", "bullseye", "bookworm"}},
		"series,release\nbookworm,2023-06-10\n": {
			[]string{"bookworm", "oldoldstable", "oldstable", "stable", "testing", "unstable"}, []string{"bookworm"}},
		"":                    {},
		"name\nbookworm\n":    {},
		"series,release\n\"x": {},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "debian.csv"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		all, current := readReleases(dir, "debian", now)
		if !slices.Equal(all, want.all) || !slices.Equal(current, want.current) {
			t.Errorf("%q: %q, %q", text, all, current)
		}
		if all, current := readReleases(dir, "ubuntu", now); all != nil || current != nil {
			t.Errorf("no file: %q, %q", all, current)
		}
	}
}
