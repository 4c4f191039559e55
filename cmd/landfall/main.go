// Command landfall carries container content across an airgap: it makes
// bundles on the connected side, lands them at the site, and is the registry
// that hosts there pull from. Its files parse and wire, one verb each; what
// the verbs do lives in the packages.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/landfall-dev/landfall/lifecycle/render"
)

func main() {
	render.Main() // a process that renders charts ends here
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	os.Exit(run(ctx, os.Args[1:]))
}
