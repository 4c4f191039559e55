package main

import (
	"log/slog"

	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/sync/config"
	"github.com/landfall-dev/landfall/sync/ondemand"
	"github.com/landfall-dev/landfall/ui"
	"github.com/landfall-dev/landfall/ui/mirroring"
)

// serveMirrors adds the mirrors of a file to what an appliance does: runs, and
// what comes on demand. close ends both, before the store is closed.
func serveMirrors(options *ui.Options, s *store.Store, path string, log *slog.Logger) (closeAll func(), err error) {
	runs, err := mirroring.New(s, path, log)
	if err != nil {
		return nil, err
	}
	client, err := dial(runs.Config())
	if err != nil {
		runs.Close()
		return nil, err
	}
	pulls := ondemand.New(runs.Config(), s, client, ondemand.Options{View: options.View, Log: log})
	runs.OnReload(func(cfg *config.File) {
		client, err := dial(cfg)
		if err != nil {
			log.Error("what comes on demand goes on as before", "file", path, "error", err)
			return
		}
		pulls.SetConfig(cfg, client)
	})
	options.Mirroring, options.Upstream = runs, pulls
	return func() {
		runs.Close()
		pulls.Close()
	}, nil
}

// dial makes the client for a file's registries.
func dial(cfg *config.File) (*remote.Registry, error) {
	return remote.New(remote.Options{Hosts: cfg.Hosts()})
}
