package chores

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// ExportArgs are what a bundle is made of.
type ExportArgs struct {
	Names     []string `json:"names" minItems:"1" maxItems:"100000" doc:"Full names, with a tag or a digest"`
	Platforms []string `json:"platforms,omitempty" doc:"What of indexes belongs to it, like linux/arm64; all when empty"`
	Channel   string   `json:"channel,omitempty" doc:"Makes it the next bundle of a channel"`
	Sequence  int64    `json:"sequence,omitempty" minimum:"0" doc:"Its place in the channel; the time when 0"`
	Expires   string   `json:"expires,omitempty" doc:"For how long it may be landed, like 30d; always when empty"`
	Sign      bool     `json:"sign,omitempty" doc:"Sign it with the site's key"`
}

// Exported is a bundle that was made.
type Exported struct {
	File  string `json:"file" doc:"Its name in the folder of exports"`
	ID    string `json:"id" doc:"The bundle's id"`
	Names int    `json:"names"`
	Size  int64  `json:"size" doc:"Bytes of its content"`
}

// ExportFile is where the bundle of a job is.
func ExportFile(folder, job string) string { return filepath.Join(folder, job+".bundle") }

// RemoveExport removes the bundle of a job, or what there is of it. It reports
// whether there was any.
func RemoveExport(folder, job string) (removed bool, err error) {
	for _, suffix := range []string{"", ".partial"} {
		switch e := os.Remove(ExportFile(folder, job) + suffix); {
		case e == nil:
			removed = true
		case !os.IsNotExist(e):
			err = errors.Join(err, registry.DiskError(e))
		}
	}
	return removed, err
}

func export(ctx context.Context, s *store.Store, folder string, r *jobs.Run) (any, error) {
	var a ExportArgs
	if err := r.Args(&a); err != nil {
		return nil, err
	}
	create, err := a.options(ctx, s, r)
	if err != nil {
		return nil, err
	}
	release, err := s.Hold(ctx, store.HoldBackup)
	if err != nil {
		return nil, err
	}
	defer release()
	r.Report(jobs.Progress{Phase: "listing"})
	refs, err := refsOf(ctx, s, a.Names)
	if err != nil {
		return nil, err
	}
	g, err := registry.Walk(ctx, s, refs, registry.WalkOptions{Sparse: true, Platforms: create.Platforms})
	if err != nil {
		return nil, err
	}
	if err := durable.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	path := ExportFile(folder, r.ID())
	w := writing{job: r}
	opts := registry.CopyOptions{Jobs: max(1, runtime.NumCPU()-1), Progress: func(e registry.Event) { w.told(ctx, e) }}
	h, err := bundle.Export(ctx, path, s, g, create, opts)
	if err != nil && errors.Is(context.Cause(ctx), jobs.ErrCancelled) {
		_, removeErr := RemoveExport(folder, r.ID())
		err = errors.Join(err, removeErr)
	}
	if err != nil {
		return nil, err
	}
	return Exported{filepath.Base(path), h.ID, len(h.Names), g.Size()}, nil
}

// options are the same in each attempt, so that one goes on where another ended.
func (a *ExportArgs) options(ctx context.Context, s *store.Store, r *jobs.Run) (o bundle.CreateOptions, err error) {
	o = bundle.CreateOptions{Created: r.Created().Truncate(time.Second), Channel: a.Channel, Sequence: a.Sequence}
	if a.Expires != "" {
		if o.Lasts, err = units.ParseAge(a.Expires); err != nil {
			return o, fmt.Errorf("%w: expires %q: %w", registry.ErrInvalid, a.Expires, err)
		}
	}
	if o.Platforms, err = registry.ParsePlatforms(a.Platforms); err != nil {
		return o, err
	}
	if a.Sign {
		key, err := s.SiteKey(ctx)
		if err != nil {
			return o, err
		}
		o.Keys = []*trust.PrivateKey{key}
	}
	return o, nil
}

// refsOf finds names as the site lists them.
func refsOf(ctx context.Context, s *store.Store, names []string) (refs []registry.Ref, err error) {
	for _, name := range names {
		ref, err := registry.ParseName(name)
		if err == nil {
			_, err = s.Resolve(ctx, ref)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// writing tells how far a bundle is.
type writing struct {
	job *jobs.Run

	mu sync.Mutex // protects at
	at jobs.Progress
}

func (w *writing) told(ctx context.Context, e registry.Event) {
	if e.Kind == registry.Planned {
		if err := further(ctx, w.job, fmt.Sprintf("compared: %d bytes missing", e.Bytes)); err != nil {
			w.job.Log(slog.LevelWarn, "how much is missing is not noted: "+err.Error(), nil)
		}
	}
	w.event(e)
}

func (w *writing) event(e registry.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at.Phase = "writing"
	switch e.Kind {
	case registry.Planned:
		w.at.TotalBytes = e.Bytes
	case registry.Advanced:
		w.at.Bytes += e.Bytes
	case registry.Landed:
		w.at.Items++
	}
	w.job.Report(w.at)
}
