package mirroring

import (
	"context"
	"time"

	"github.com/landfall-dev/landfall/sync/config"
)

// times are when a mirror runs by itself. Zero is never.
type times struct {
	schedule *config.Schedule // that next is of
	next     time.Time
	again    time.Time // when a link opens that was closed
}

// timesOf are a mirror's times; mu is held, or nobody else is there yet.
func (m *Mirroring) timesOf(mirror string) *times {
	t := m.times[mirror]
	if t == nil {
		t = &times{}
		m.times[mirror] = t
	}
	return t
}

// follows reports whether the times are already of a schedule like this one.
func (t *times) follows(s *config.Schedule) bool {
	return t.schedule != nil && t.schedule.Cron == s.Cron && t.schedule.Jitter == s.Jitter
}

// begun moves on what a run that begins at a time has satisfied.
func (t *times) begun(trigger Trigger, at time.Time) {
	t.again = time.Time{}
	if trigger == Schedule && t.schedule != nil {
		t.next = t.schedule.Next(at)
	}
}

// first is when the mirror runs by itself next.
func (t *times) first() time.Time {
	if t.next.IsZero() || !t.again.IsZero() && t.again.Before(t.next) {
		return t.again
	}
	return t.next
}

func reached(at, now time.Time) bool { return !at.IsZero() && !at.After(now) }

// due is a mirror whose time has come.
type due struct {
	mirror  string
	trigger Trigger
}

// due lists mirrors whose time has come, in the order of the file. Those that are
// in a run, or wait for one, stay due until it has ended.
func (m *Mirroring) due(ctx context.Context) (list []due, err error) {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	live, err := m.live(ctx)
	if err != nil {
		return nil, err
	}
	for k := range m.file.Mirrors {
		mirror := &m.file.Mirrors[k]
		t := m.timesOf(mirror.Name)
		_, busy := live[mirror.Name]
		switch {
		case mirror.OnDemand != nil || m.file.Offline || mirror.Offline || busy:
		case reached(t.next, now):
			list = append(list, due{mirror.Name, Schedule})
		case reached(t.again, now):
			list = append(list, due{mirror.Name, Window})
		}
	}
	return list, nil
}

// retryAfter is how long a run that did not begin is left alone.
const retryAfter = time.Minute

func (m *Mirroring) postpone(mirror string) {
	later := m.now().Add(retryAfter)
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.timesOf(mirror)
	for _, at := range []*time.Time{&t.next, &t.again} {
		if reached(*at, later) {
			*at = later
		}
	}
}
