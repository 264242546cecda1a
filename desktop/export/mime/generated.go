package mime

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// databaseFiles are the files that update-mime-database (shared-mime-info 2.4 and
// older) writes into a mime directory, besides KIND/SUB.xml for every type.
var databaseFiles = []string{"XMLnamespaces", "aliases", "generic-icons", "globs", "globs2", "icons", "magic", "mime.cache",
	"subclasses", "treemagic", "types", "version"}

// ListGenerated returns what update-mime-database made in the directory dir,
// usually DataHome/mime, as paths relative to it: first files, then the
// directories KIND, which may hold other files too. If dir/packages is not empty,
// run update-mime-database instead of removing these.
func ListGenerated(dir string) []string {
	var files, kinds []string
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		switch {
		case e.Type().IsRegular() && slices.Contains(databaseFiles, e.Name()):
			files = append(files, e.Name())
		case e.IsDir() && e.Name() != "packages":
			types, _ := os.ReadDir(filepath.Join(dir, e.Name()))
			for _, t := range types {
				if t.Type().IsRegular() && strings.HasSuffix(t.Name(), ".xml") {
					files = append(files, filepath.Join(e.Name(), t.Name()))
				}
			}
			kinds = append(kinds, e.Name())
		}
	}
	return append(files, kinds...)
}
