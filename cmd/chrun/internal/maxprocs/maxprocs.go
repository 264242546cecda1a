// Package maxprocs lets the goroutines of chrun run one at a time. They hardly ever
// run side by side, and the Go runtime keeps memory for each processor, whose pages
// are most of what a launch touches first. A goroutine that waits in a system call
// does not keep the others from running.
//
// This package imports only runtime, so that it is initialised before the packages
// whose memory it saves: since Go 1.21 packages are initialised in the order of
// their import paths, each as soon as its imports are.
package maxprocs

import "runtime"

var _ = runtime.GOMAXPROCS(1)
