package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/definitions"
	"github.com/landfall-dev/landfall/ui/settings"
)

// gatesHere asks the closure gate about all definitions of a store, after something
// landed there.
func gatesHere(ctx context.Context, s *store.Store) ([]definitions.Result, error) {
	known, err := openKnown(ctx, s, definitions.Options{})
	if err != nil {
		return nil, err
	}
	return known.CheckAll(ctx)
}

// openKnown opens what a store knows of definitions, for the platforms that the site's
// kept settings name.
func openKnown(ctx context.Context, s *store.Store, opts definitions.Options) (*definitions.Definitions, error) {
	base, err := settings.Load(settings.Sources{})
	if err != nil {
		return nil, err
	}
	kept, err := settings.Open(ctx, s, nil, base) // nothing is set
	if err != nil {
		return nil, err
	}
	opts.Platforms = func(context.Context) ([]registry.Platform, error) {
		return registry.ParsePlatforms(kept.Get().Config.Definitions.Platforms)
	}
	return definitions.Open(ctx, s, opts)
}

// gatesAt asks an appliance's. One that keeps no definitions, or whose rights do not
// reach so far, has none to tell of.
func gatesAt(ctx context.Context, client *api.Client) ([]definitions.Result, error) {
	list, err := client.Definitions(ctx)
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrDenied) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	results := make([]definitions.Result, 0, len(list))
	for _, d := range list {
		r := definitions.Result{Reference: d.Reference, Name: d.Name, Version: d.Version, Document: d.Document, Problem: d.Problem}
		if d.Problem == "" {
			if report, err := client.CheckNamedDefinition(ctx, d.Reference, nil, false); err != nil {
				r.Problem = err.Error()
			} else {
				r.Judge(report)
			}
		}
		results = append(results, r)
	}
	return results, nil
}

// printGates tells what the gate found, a line for each definition.
func printGates(w io.Writer, list []definitions.Result) {
	for _, r := range list {
		fmt.Fprintln(w, shown(r.String()))
	}
}

// warnUngated says that the gate could not be asked; what landed is there all the same.
func warnUngated(w io.Writer, err error) {
	if err != nil {
		fmt.Fprintf(w, "landfall: definitions could not be checked: %v\n", err)
	}
}
