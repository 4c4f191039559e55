package powerloss

import (
	"context"
	"errors"
	"os/exec"
)

// upkeep are the operations that keep a data folder in order.
var upkeep = []string{"collect", "undo", "collect now", "scrub"}

// atOnce lets collection take at once what nothing names: outside of tests it
// is protected for a while.
var atOnce = []string{"--lease", "0s"}

// upkeepCommand is the command line of an upkeep over a data folder, whether a
// site serves it or not.
func upkeepCommand(kind, data string) []string {
	switch kind {
	case "collect":
		return landfall(append([]string{"content", "collect", "--data", data}, atOnce...)...)
	case "collect now":
		return landfall(append([]string{"content", "collect", "--now", "--data", data}, atOnce...)...)
	case "undo":
		return landfall("content", "undo", "--data", data)
	}
	return landfall("content", "scrub", "--data", data)
}

// How commands end.
const (
	exitUsage      = 2
	exitRefused    = 3 // something is damaged
	exitIncomplete = 4
	exitBusy       = 6 // the site does already what the command asks for
)

// tend runs an upkeep; a site that is at it by itself is well.
func tend(ctx context.Context, kind, data string) error {
	err := command(ctx, upkeepCommand(kind, data)...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == exitBusy {
		return nil
	}
	return err
}
