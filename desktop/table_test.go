package desktop

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"chrun/internal/fakedesk"
)

func TestTable(t *testing.T) {
	seen := map[string]bool{All: true}
	for _, g := range Groups() {
		seen[g] = true
	}
	owner := map[string]string{}
	for _, f := range Features {
		if seen[f.Name] {
			t.Errorf("%s is not unique", f.Name)
		}
		seen[f.Name] = true
		if f.Shares == "" || f.Detect == nil {
			t.Errorf("%s is incomplete", f.Name)
		}
		for _, v := range f.Variables {
			if owner[v] != "" {
				t.Errorf("%s belongs to %s and %s", v, owner[v], f.Name)
			}
			owner[v] = f.Name
			if ok, _ := KeepVariable(v, "/x", "/home/a"); !ok {
				t.Errorf("%s belongs to %s and is in droppedVariables too", v, f.Name)
			}
		}
	}
	if got := Groups(); !reflect.DeepEqual(got, []string{"display", "sound", "bus", "all"}) {
		t.Error(got)
	}
	for name, n := range map[string]int{"wayland": 1, "display": 2, "sound": 4, "bus": 3, "all": len(Features)} {
		if got, err := FeaturesNamed(name); len(got) != n || err != nil {
			t.Errorf("Named(%q) = %d features, %v", name, len(got), err)
		}
	}
	for _, name := range []string{"", "nosuch"} {
		if _, err := FeaturesNamed(name); err == nil || !strings.Contains(err.Error(), "pulseaudio") {
			t.Errorf("Named(%q): %v", name, err)
		}
	}
}

// A variable that a feature sets is in its Variables, or does not pass anyway, so
// that it is unset if the feature is denied. Also, no feature panics on an empty
// host.
func TestVariablesAreDeclared(t *testing.T) {
	d := fakedesk.New(t)
	for _, f := range Features {
		for _, v := range f.Detect(d.Facts).Env {
			if passes, _ := KeepVariable(v.Name, "/x", "/home/a"); passes && !slices.Contains(f.Variables, v.Name) {
				t.Errorf("%s sets %s, which is not among its variables", f.Name, v.Name)
			}
		}
		if f.Hide != nil {
			f.Hide(d.Facts)
		}
	}
}
