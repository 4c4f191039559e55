package mirroring

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// Start runs mirrors by hand: those of some names, or all that are copied ahead.
// They wait while another run goes. ErrConflict when one of them is in a run
// already, or waits for one; ErrInvalid when one cannot be run.
func (m *Mirroring) Start(ctx context.Context, mirrors []string, idempotencyKey string) (Run, error) {
	names, err := m.meant(mirrors)
	if err != nil {
		return Run{}, err
	}
	return m.begin(ctx, names, Manual, idempotencyKey)
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

// begin starts a run's job, of the context's actor or, by itself, of the appliance.
func (m *Mirroring) begin(ctx context.Context, names []string, trigger Trigger, key string) (Run, error) {
	now := m.now()
	a := args{Mirrors: names, Trigger: trigger}
	if trigger != Manual {
		a.At = now.UTC()
	}
	opts := jobs.StartOptions{Subject: strings.Join(names, ",") + " " + string(trigger), IdempotencyKey: key}
	m.mu.Lock()
	defer m.mu.Unlock()
	if j, there, err := m.pool.Keyed(ctx, Kind, a, opts); there || err != nil {
		return asked(j, err)
	}
	live, err := m.live(ctx)
	if err != nil {
		return Run{}, err
	}
	for _, name := range names {
		if run, busy := live[name]; busy {
			return Run{}, fmt.Errorf("%w: mirror %s is in run %s, which has not ended", registry.ErrConflict, name, run.ID)
		}
	}
	j, err := m.pool.Start(ctx, Kind, a, opts)
	if err != nil {
		return Run{}, err
	}
	for _, name := range names {
		m.timesOf(name).begun(trigger, now)
	}
	return runOf(j)
}

func asked(j jobs.Job, err error) (Run, error) {
	if err != nil {
		return Run{}, err
	}
	return runOf(j)
}

// Cancel ends a run, and returns how it ended. What it brought stays. ErrConflict
// when it has ended before.
func (m *Mirroring) Cancel(ctx context.Context, id string) (Run, error) {
	run, err := m.Run(ctx, id)
	if err != nil {
		return run, err
	}
	if !run.Live() {
		return Run{}, fmt.Errorf("%w: run %s has ended: %s", registry.ErrConflict, id, run.State)
	}
	if _, err := m.pool.Cancel(ctx, id); err != nil {
		return Run{}, err
	}
	return asked(m.pool.Await(ctx, id))
}
