package mime

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// databaseFiles are what update-mime-database (shared-mime-info 2.4 and older)
// writes into a mime directory, beside KIND/SUB.xml for every type.
var databaseFiles = []string{"XMLnamespaces", "aliases", "generic-icons", "globs", "globs2", "icons", "magic", "mime.cache",
	"subclasses", "treemagic", "types", "version"}

// ListGenerated lists what update-mime-database has made in the directory dir,
// usually DataHome/mime, as paths in it: files first, then the directories of
// kinds, to be removed if they are empty. Where dir/packages is not empty,
// update-mime-database is to be run instead.
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
