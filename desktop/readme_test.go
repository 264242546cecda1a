package desktop

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the feature table into README.md")

// The README's table of features is this package's.
func TestReadme(t *testing.T) {
	const file, begin, end = "../README.md", "<!-- features -->\n", "<!-- /features -->"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(data), begin)
	have, tail, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%s has no place for the table", file)
	}
	var want strings.Builder
	want.WriteString("| feature | group | shares |\n|---|---|---|\n")
	for _, f := range Features {
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", f.Name, f.Group, f.Shares)
	}
	if have == want.String() {
		return
	}
	if !*update {
		t.Fatalf("%s is not up to date: go test ./desktop -run Readme -update", file)
	}
	if err := os.WriteFile(file, []byte(head+begin+want.String()+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
