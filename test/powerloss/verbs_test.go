package powerloss

import (
	"os"
	"sync"
	"testing"
)

// collects is whether the binary has the verbs that collect and scrub.
var collects = sync.OnceValue(func() bool { return command(landfall("serve", "--lease", "0s", "--help")...) == nil })

// serveOptions let collection take at once what nothing names: outside of
// tests it is protected for a while.
func serveOptions() []string {
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
	return []string{"collect", "collect now", "scrub"}
}

// tend runs one of them over a data folder, whether a site serves it or not.
func tend(kind, data string) error {
	switch kind {
	case "collect":
		return command(landfall("content", "collect", "--data", data)...)
	case "collect now":
		return command(landfall("content", "collect", "--now", "--data", data)...)
	}
	return command(landfall("content", "scrub", "--data", data)...)
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
