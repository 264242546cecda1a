package helper

import (
	"chrun/session"
	"chrun/session/launch"
	"chrun/session/rootfs"
)

// startTidying starts a helper that removes the files which the launch makes in the
// tree, where root becomes the program. Otherwise chrun itself removes them.
func (s *Services) startTidying(root *rootfs.Root, files []launch.TreeFile) error {
	end, err := launch.NewEndWatch()
	if err != nil {
		return err
	}
	s.EndWatches = append(s.EndWatches, end)
	words := []string{"tidy", string(root.Dir())}
	for _, f := range files {
		words = append(words, string(f.InTree), string(f.Dest))
	}
	_, err = Start([]int{end, s.alive[0], root.Descriptor()}, nil, nil, words...)
	return err
}

// tidy removes files of a tree when the launch has ended. Its words are the tree
// and, for each file, its path in the tree and inside; its descriptors are the
// launch's end, chrun's pipe and the tree, whose path may lead elsewhere by now.
func tidy(words []string) int {
	root, err := rootfs.OpenAt(firstFile+2, rootfs.HostPath(words[0]))
	if err != nil { // nobody else removes the files: once more
		root, err = rootfs.OpenAt(firstFile+2, rootfs.HostPath(words[0]))
	}
	if err != nil {
		return 125
	}
	defer root.Close()
	var files []launch.TreeFile
	for i := 1; i+1 < len(words); i += 2 {
		files = append(files, launch.TreeFile{InTree: session.Path(words[i]), Dest: session.Path(words[i+1])})
	}
	launch.WaitEnd(firstFile, firstFile+1, -1, nil)
	launch.RemoveTreeFiles(root, files, nil)
	return 0
}
