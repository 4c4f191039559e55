package mirroring

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// Start runs mirrors by hand: those of some names, or all that are copied ahead.
// They wait while another run goes. ErrConflict when one of them is in a run
// already, or waits for one; ErrInvalid when one cannot be run.
func (m *Mirroring) Start(ctx context.Context, mirrors []string) (Run, error) {
	names, err := m.meant(mirrors)
	if err != nil {
		return Run{}, err
	}
	return m.begin(ctx, names, Manual)
}

// meant are the names of the mirrors to run, each once.
func (m *Mirroring) meant(names []string) (list []string, err error) {
	file := m.Config()
	if file.Offline {
		return nil, fmt.Errorf("%w: %s says offline: nobody is asked for anything", registry.ErrInvalid, m.path)
	}
	for _, name := range names {
		mirror := file.Mirror(name)
		switch {
		case mirror == nil:
			return nil, fmt.Errorf("%w: no mirror is called %q (%s)", registry.ErrInvalid, name, strings.Join(file.Names(), ", "))
		case mirror.OnDemand != nil:
			return nil, fmt.Errorf("%w: what mirror %s has comes on demand", registry.ErrInvalid, name)
		case mirror.Offline:
			return nil, fmt.Errorf("%w: mirror %s is offline", registry.ErrInvalid, name)
		case !slices.Contains(list, name):
			list = append(list, name)
		}
	}
	if len(names) > 0 {
		return list, nil
	}
	for k := range file.Mirrors {
		if mirror := &file.Mirrors[k]; mirror.OnDemand == nil && !mirror.Offline {
			list = append(list, mirror.Name)
		}
	}
	if len(list) == 0 {
		err = fmt.Errorf("%w: no mirror of %s is copied ahead", registry.ErrInvalid, m.path)
	}
	return list, err
}

// begin writes a run into the history and puts it into the queue.
func (m *Mirroring) begin(ctx context.Context, names []string, trigger Trigger) (Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx.Err() != nil {
		return Run{}, fmt.Errorf("%w: the appliance ends", registry.ErrConflict)
	}
	for _, name := range names {
		if j := m.busy(name); j != nil {
			return Run{}, fmt.Errorf("%w: mirror %s is in run %d, which has not ended", registry.ErrConflict, name, j.id())
		}
	}
	now := m.now()
	id, err := m.store.BeginRun(ctx, names, string(trigger), now)
	if err != nil {
		return Run{}, err
	}
	for _, name := range names {
		m.timesOf(name).begun(trigger, now)
	}
	j := newJob(m.ctx, Run{ID: id, Mirrors: names, Trigger: trigger, State: Waiting, Started: now.UTC()})
	m.queue = append(m.queue, j)
	m.next()
	return j.live(), nil
}

// busy is what a mirror runs in or waits for; mu is held.
func (m *Mirroring) busy(mirror string) *job {
	return m.find(func(j *job) bool { return slices.Contains(j.run.Mirrors, mirror) })
}

// find returns one of the runs that have not ended; mu is held.
func (m *Mirroring) find(is func(*job) bool) *job {
	if m.current != nil && is(m.current) {
		return m.current
	}
	if k := slices.IndexFunc(m.queue, is); k >= 0 {
		return m.queue[k]
	}
	return nil
}

// next starts the first run that waits, if none goes; mu is held.
func (m *Mirroring) next() {
	if m.current != nil || len(m.queue) == 0 || m.ctx.Err() != nil {
		return
	}
	j := m.queue[0]
	m.queue, m.current = m.queue[1:], j
	j.start()
	m.running.Go(func() {
		report, err := m.carryOut(j)
		m.end(j, report, err)
	})
}

// Cancel ends a run, and returns how it ended. What it brought stays. ErrConflict
// when it has ended before.
func (m *Mirroring) Cancel(ctx context.Context, id int64) (Run, error) {
	m.mu.Lock()
	j := m.find(func(j *job) bool { return j.id() == id })
	waits := slices.Index(m.queue, j)
	if waits >= 0 {
		m.queue = slices.Delete(m.queue, waits, waits+1)
	}
	m.mu.Unlock()
	if j == nil {
		run, err := m.history.Run(ctx, id)
		if err == nil {
			err = fmt.Errorf("%w: run %d has ended: %s", registry.ErrConflict, id, run.State)
		}
		return Run{}, err
	}
	j.cancel(errCanceled)
	if waits >= 0 {
		m.end(j, nil, errCanceled)
	}
	select {
	case <-j.ended:
		return m.history.Run(ctx, id)
	case <-ctx.Done():
		return Run{}, context.Cause(ctx)
	}
}
