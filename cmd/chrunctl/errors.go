package main

import (
	"errors"
	"fmt"

	"chrun/internal/chroots"
	"chrun/internal/cli"
)

// printError prints err with its hints and returns the exit status. Joined errors
// are printed one by one.
func (c *command) printError(err error) int {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		status := 0
		for _, e := range joined.Unwrap() {
			status = max(status, c.printError(e))
		}
		return status
	}
	var ended *statusError
	if errors.As(err, &ended) {
		if ended.err != nil {
			c.printError(ended.err)
		}
		return ended.status
	}
	call := chroots.Call{Args: c.args, UID: c.caller.UID, System: c.src.System}
	fmt.Fprint(c.err, cli.ErrorText("chrunctl", err, call.Hints(err)))
	if usage := (*cli.UsageError)(nil); errors.As(err, &usage) {
		return 2
	}
	return 1
}

// printFailures prints what failed besides the export itself.
func (c *command) printFailures(failed []error) {
	for _, err := range failed {
		c.warn(err.Error())
		for _, hint := range cli.Hints(err) {
			c.warn("hint: " + hint)
		}
	}
}
