// Package mirroring keeps the mirrors of a mirror.yaml in an appliance: it runs
// them, as jobs, into the appliance's store when their schedules say so and when
// somebody asks. What is copied, and how, is decided in sync/config and
// sync/mirror.
//
// Nouns. A run is a job that brings one or several mirrors level with their
// sources; one goes at a time, since runs share the links, and the others wait for
// it. Its trigger is why it began. A mirror whose link is closed is deferred: it is
// tried again when the link opens. When a time of a schedule was missed because the
// appliance was off, the mirror runs once, soon after the start.
package mirroring

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/sync/config"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// Kind is the kind of the jobs.
const Kind = "sync"

// Mirroring runs mirrors into one store.
type Mirroring struct {
	History
	store *store.Store
	path  string // of mirror.yaml
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex // protects the fields below, and is held while a run is begun
	file    *config.File
	seen    fs.FileInfo // of the file when the one in force was read
	loaded  time.Time
	problem string // why the file as it is now is not in force
	hooks   []func(*config.File)
	times   map[string]*times // by mirror
}

// New reads the mirror.yaml at path and what the history tells of runs, and adds
// its kind of jobs to a pool that does not run yet. ErrInvalid when the file is.
func New(ctx context.Context, s *store.Store, p *jobs.Pool, path string, log *slog.Logger) (*Mirroring, error) {
	return newAt(ctx, s, p, path, options{log, time.Now})
}

type options struct {
	log *slog.Logger
	now func() time.Time
}

func newAt(ctx context.Context, s *store.Store, p *jobs.Pool, path string, opts options) (*Mirroring, error) {
	if opts.log == nil {
		opts.log = slog.New(slog.DiscardHandler)
	}
	m := &Mirroring{History: History{p}, store: s, path: path, log: opts.log, now: opts.now, times: map[string]*times{}}
	file, seen, err := read(path)
	if err != nil {
		return nil, err
	}
	scheduled, err := m.remember(ctx)
	if err != nil {
		return nil, err
	}
	m.enforce(file, seen, scheduled)
	p.Register(jobs.Kind{Name: Kind, Lane: Kind, Width: 1, Run: m.carryOut})
	return m, nil
}

// remember takes up what the history tells: what is deferred, and when each mirror
// ran by schedule.
func (m *Mirroring) remember(ctx context.Context) (scheduled map[string]time.Time, err error) {
	list, err := m.all(ctx)
	if err != nil {
		return nil, err
	}
	scheduled, known := map[string]time.Time{}, map[string]bool{}
	for _, run := range list { // the newest first
		for _, name := range run.Mirrors {
			if _, newer := scheduled[name]; !newer && run.Trigger == Schedule {
				scheduled[name] = run.Started
				if run.Live() { // it goes on
					scheduled[name] = m.now()
				}
			}
			if until := run.tally(name).Until; until != nil && !known[name] {
				m.timesOf(name).again = *until
			}
			known[name] = true
		}
	}
	return scheduled, nil
}

// lookEvery is the time between two looks at the file and the schedules.
const lookEvery = 3 * time.Second

// Keep runs mirrors when it is their time and follows the file, until ctx ends.
func (m *Mirroring) Keep(ctx context.Context) {
	for {
		m.look(ctx)
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return
		}
	}
}

func (m *Mirroring) look(ctx context.Context) {
	m.follow()
	list, err := m.due(ctx)
	if err != nil && ctx.Err() == nil {
		m.log.Error("it is not known which mirrors run", "error", err)
	}
	for _, d := range list {
		_, err := m.begin(ctx, []string{d.mirror}, d.trigger, "")
		if err == nil || ctx.Err() != nil || errors.Is(err, registry.ErrConflict) {
			continue
		}
		m.log.Error("a mirror's run did not begin", "mirror", d.mirror, "error", err)
		m.postpone(d.mirror)
	}
}

// Config is the file in force.
func (m *Mirroring) Config() *config.File {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.file
}

// OnReload has tell called with each file that comes into force from now on.
func (m *Mirroring) OnReload(tell func(*config.File)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hooks = append(m.hooks, tell)
}
