package powerloss

import (
	"errors"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// collects is whether the binary has the verbs that collect and scrub.
var collects = sync.OnceValue(func() bool { return command(landfall("serve", "--lease", "0s", "--help")...) == nil })

// atOnce lets collection take at once what nothing names: outside of tests it
// is protected for a while.
func atOnce() []string {
	if collects() {
		return []string{"--lease", "0s"}
	}
	return nil
}

// upkeep are the operations that keep a data folder in order.
func upkeep() []string {
	if !collects() {
		return nil
	}
	return []string{"collect", "undo", "collect now", "scrub"}
}

// upkeepCommand is the command line of one of them over a data folder, whether
// a site serves it or not.
func upkeepCommand(kind, data string) []string {
	switch kind {
	case "collect":
		return landfall(append([]string{"content", "collect", "--data", data}, atOnce()...)...)
	case "collect now":
		return landfall(append([]string{"content", "collect", "--now", "--data", data}, atOnce()...)...)
	case "undo":
		return landfall("content", "undo", "--data", data)
	}
	return landfall("content", "scrub", "--data", data)
}

// exitBusy is how a command ends when the site does already what it asks for.
const exitBusy = 6

// tend runs an upkeep; a site that is at it by itself is well.
func tend(kind, data string) error {
	err := command(upkeepCommand(kind, data)...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == exitBusy {
		return nil
	}
	return err
}

// reportVerbs says what is left out.
func reportVerbs(t *testing.T) {
	t.Helper()
	if collects() {
		return
	}
	if os.Getenv("LANDFALL_POWERLOSS_ALL") == "1" {
		t.Fatal("landfall has no content collect")
	}
	t.Log("left out: content collect and scrub, which this landfall does not have")
}
