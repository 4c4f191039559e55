package powerloss

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"path/filepath"
)

// upkeep are the operations that keep a data folder in order.
var upkeep = []string{"collect", "undo", "collect now", "scrub"}

// atOnce lets collection take at once what nothing names: outside of tests it
// is protected for a while.
var atOnce = []string{"--lease", "0s"}

// forPushes is a lease that no push outlasts: without one, what a client has
// pushed by digest may go before its index names it.
var forPushes = []string{"--lease", "10s"}

// upkeepCommand is the command line of an upkeep over a data folder. A site
// that serves it has its own lease.
func upkeepCommand(kind, data string, served bool) []string {
	lease := atOnce
	if served {
		lease = nil
	}
	switch kind {
	case "collect":
		return landfall(append([]string{"content", "collect", "--data", data}, lease...)...)
	case "collect now":
		return landfall(append([]string{"content", "collect", "--now", "--data", data}, lease...)...)
	case "undo":
		return landfall("content", "undo", "--data", data)
	}
	return landfall("content", "scrub", "--data", data)
}

// isServed reports whether a site answers on its socket.
func isServed(data string) bool {
	c, err := net.Dial("unix", filepath.Join(data, "landfall.sock"))
	if err != nil {
		return false
	}
	return c.Close() == nil
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
	err := command(ctx, upkeepCommand(kind, data, isServed(data))...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == exitBusy {
		return nil
	}
	return err
}
