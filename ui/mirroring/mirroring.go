// Package mirroring keeps the mirrors of a mirror.yaml in an appliance: it runs
// them into the appliance's store when their schedules say so and when somebody
// asks, and writes down what each run did. What is copied, and how, is decided in
// sync/config and sync/mirror.
//
// Nouns. A run brings one or several mirrors level with their sources; one goes at
// a time, since runs share the links, and the others wait for it. Its trigger is
// why it began. A mirror whose link is closed is deferred: it is tried again when
// the link opens. A run that the end of the appliance interrupts goes on, as the
// same run, at the next start. So does a schedule: when a time of it was missed
// meanwhile, the mirror runs once, soon after the start.
package mirroring

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/sync/config"
)

// Mirroring runs mirrors into one store.
type Mirroring struct {
	history *History
	store   *store.Store
	path    string // of mirror.yaml
	log     *slog.Logger
	now     func() time.Time

	ctx     context.Context //nolint:containedctx // of what goes on after its request
	stop    context.CancelCauseFunc
	running sync.WaitGroup

	mu      sync.Mutex // protects the fields below, and is held while a run is begun
	file    *config.File
	seen    fs.FileInfo // of the file when the one in force was read
	loaded  time.Time
	problem string // why the file as it is now is not in force
	hooks   []func(*config.File)
	current *job
	queue   []*job            // what waits for it, in order
	times   map[string]*times // by mirror
	last    map[string]Run    // by mirror, the last that ended
}

// What a run's context can end with.
var (
	errCanceled = errors.New("it was canceled")
	errClosing  = errors.New("the appliance ended while it ran; it goes on at the next start")
)

// New reads the mirror.yaml at path and what the store remembers of runs. Close
// ends what is under way; the store stays open. ErrInvalid when the file is.
func New(s *store.Store, path string, log *slog.Logger) (*Mirroring, error) {
	return newAt(s, path, log, time.Now)
}

func newAt(s *store.Store, path string, log *slog.Logger, now func() time.Time) (*Mirroring, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	m := &Mirroring{store: s, path: path, log: log, now: now, times: map[string]*times{}, last: map[string]Run{}}
	m.ctx, m.stop = context.WithCancelCause(context.Background())
	file, seen, err := read(path)
	if err != nil {
		return nil, err
	}
	if m.history, err = OpenHistory(m.ctx, s); err != nil {
		return nil, err
	}
	scheduled, err := m.remember()
	if err != nil {
		return nil, err
	}
	m.enforce(file, seen, scheduled)
	return m, nil
}

// remember takes up what the history tells: what goes on, what is deferred, and
// when each mirror ran by schedule.
func (m *Mirroring) remember() (scheduled map[string]time.Time, err error) {
	list, err := m.store.Runs(m.ctx, 0, 0)
	if err != nil {
		return nil, err
	}
	scheduled = map[string]time.Time{}
	for _, stored := range list { // the newest first
		run, err := decode(stored)
		if err != nil {
			return nil, err
		}
		goesOn := run.State == Interrupted && m.again(&run, stored.Crashes)
		for _, name := range run.Mirrors {
			if _, newer := scheduled[name]; !newer && run.Trigger == Schedule {
				scheduled[name] = run.Started
				if goesOn {
					scheduled[name] = m.now()
				}
			}
			if _, newer := m.last[name]; !newer && !goesOn {
				m.last[name] = run
			}
		}
	}
	for name, run := range m.last {
		if until := run.tally(name).Until; until != nil && m.busy(name) == nil {
			m.timesOf(name).again = *until
		}
	}
	return scheduled, nil
}

// maxCrashes is after how many crashes in the midst of it a run goes on no more:
// it may be what they come from.
const maxCrashes = 3

// again lets an interrupted run go on before those that are newer, unless the
// process has crashed over it time and again.
func (m *Mirroring) again(run *Run, crashes int) bool {
	j := newJob(m.ctx, *run)
	j.resumes = true
	if crashes <= maxCrashes {
		m.queue = append([]*job{j}, m.queue...)
		return true
	}
	*run = j.conclude(nil, fmt.Errorf("the appliance crashed %d times while it ran; it does not go on by itself", crashes), m.now())
	m.write(*run)
	return false
}

// Close ends what is under way, and waits for it. It goes on at the next start.
func (m *Mirroring) Close() {
	m.mu.Lock()
	m.stop(errClosing) // nothing is begun after
	waiting := m.queue
	m.queue = nil
	m.mu.Unlock()
	for _, j := range waiting {
		m.end(j, nil, errClosing)
	}
	m.running.Wait()
}

// lookEvery is the time between two looks at the file and the schedules.
const lookEvery = 3 * time.Second

// Keep goes on with what was interrupted, then runs mirrors when it is their time
// and follows the file, until ctx ends.
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
	m.mu.Lock()
	m.next()
	m.mu.Unlock()
	for _, d := range m.due() {
		_, err := m.begin(ctx, []string{d.mirror}, d.trigger)
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
