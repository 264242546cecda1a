package trees

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// bootstrapError says that mmdebstrap could not make a system.
type bootstrapError struct {
	source Source
	status error  // of mmdebstrap
	log    string // what it has printed
}

func (e *bootstrapError) Error() string {
	return fmt.Sprintf("mmdebstrap failed: %v: %s", e.status, findErrors(e.log))
}

// Hint names the releases of the distribution, unless the given one is among them.
func (e *bootstrapError) Hint() string {
	all, current := readReleases("/usr/share/distro-info", e.source.Distribution, time.Now())
	suite, _, _ := strings.Cut(e.source.suite, "-") // as in bookworm-backports
	if slices.Contains(all, suite) || len(current) == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%s is not known here; the latest releases are %s", e.source.Distribution, e.source.suite, strings.Join(current, ", "))
}

// aliases are other names of releases.
var aliases = map[string][]string{
	"debian": {"oldoldstable", "oldstable", "stable", "testing", "unstable"},
	"ubuntu": {"devel"},
}

// readReleases returns the names of a distribution's releases from the files of
// distro-info-data(7), and the latest four of those that are out.
func readReleases(dir, distribution string, now time.Time) (all, current []string) {
	data, err := os.ReadFile(path.Join(dir, distribution+".csv"))
	if err != nil {
		return nil, nil
	}
	table := csv.NewReader(bytes.NewReader(data))
	table.FieldsPerRecord = -1 // the older ones have fewer columns
	lines, err := table.ReadAll()
	if err != nil || len(lines) == 0 {
		return nil, nil
	}
	series, release := slices.Index(lines[0], "series"), slices.Index(lines[0], "release")
	if series < 0 || release < 0 {
		return nil, nil
	}
	for _, line := range lines[1:] {
		if len(line) <= series {
			continue
		}
		all = append(all, line[series])
		if len(line) > release && line[release] != "" && line[release] <= now.Format(time.DateOnly) {
			current = append(current, line[series])
		}
	}
	return append(all, aliases[distribution]...), current[max(0, len(current)-4):]
}
