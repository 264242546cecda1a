package desktop

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the feature table into README.md")

// The table of features in the README matches Features.
func TestReadme(t *testing.T) {
	const file, begin, end = "../README.md", "<!-- features -->\n", "<!-- /features -->"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(data), begin)
	current, tail, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%s has no markers for the table", file)
	}
	var want strings.Builder
	want.WriteString("| feature | group | shares |\n|---|---|---|\n")
	for _, f := range Features {
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", f.Name, f.Group, f.Shares)
	}
	if current == want.String() {
		return
	}
	if !*update {
		t.Fatalf("%s is not up to date: go test ./desktop -run Readme -update", file)
	}
	if err := os.WriteFile(file, []byte(head+begin+want.String()+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
