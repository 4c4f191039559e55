package mirroring

import (
	"context"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/sync/config"
)

// Listing is what an appliance mirrors.
type Listing struct {
	File    string    `json:"file"`
	Loaded  time.Time `json:"loaded"`            // when the one in force was read
	Problem string    `json:"problem,omitempty"` // why the file as it is now is not in force
	Offline bool      `json:"offline,omitempty"` // nobody is asked for anything
	Mirrors []Status  `json:"mirrors"`           // in the order of the file
}

// Idle is the State of a mirror that nothing happens to.
const Idle State = "idle"

// Status is how one mirror does.
type Status struct {
	Name     string     `json:"name"`
	Sources  []string   `json:"sources"`
	Schedule string     `json:"schedule,omitempty"` // as it was written, without jitter
	Next     *time.Time `json:"next,omitempty"`     // when it runs by itself
	State    State      `json:"state"`              // idle, waiting, running or deferred
	Until    *time.Time `json:"until,omitempty"`    // when a link opens that it is deferred for
	Run      string     `json:"run,omitempty"`      // the run that it is in, or waits for
	OnDemand bool       `json:"onDemand,omitempty"`
	Offline  bool       `json:"offline,omitempty"`
	Last     *Run       `json:"last,omitempty"` // that ended, and what it did for this mirror
	Problem  string     `json:"problem,omitempty"`
}

// List tells of all mirrors of the file in force.
func (m *Mirroring) List(ctx context.Context) (Listing, error) {
	runs, err := m.all(ctx)
	if err != nil {
		return Listing{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := Listing{File: m.path, Loaded: m.loaded.UTC(), Problem: m.problem, Offline: m.file.Offline, Mirrors: []Status{}}
	for k := range m.file.Mirrors {
		l.Mirrors = append(l.Mirrors, m.status(&m.file.Mirrors[k], runs))
	}
	return l, nil
}

// status is List for one mirror, given the last runs; mu is held.
func (m *Mirroring) status(mirror *config.Mirror, runs []Run) Status {
	s := Status{Name: mirror.Name, Sources: sources(mirror), State: Idle, OnDemand: mirror.OnDemand != nil, Offline: m.file.Offline || mirror.Offline}
	if mirror.Schedule != nil {
		s.Schedule = mirror.Schedule.Cron
	}
	t := m.timesOf(mirror.Name)
	if !s.Offline {
		s.Next = told(t.first())
	}
	if s.Until = told(t.again); s.Until != nil {
		s.State = Deferred
	}
	for _, run := range runs { // the newest first
		if !slices.Contains(run.Mirrors, mirror.Name) {
			continue
		}
		if run.Live() {
			s.State, s.Run = run.State, run.ID
			continue
		}
		s.ended(run)
		break
	}
	return s
}

// ended tells of the mirror's last run that has.
func (s *Status) ended(last Run) {
	outcome, tally := *last.Outcome, last.tally(s.Name)
	outcome.Mirrors = []Tally{tally}
	last.Outcome = &outcome
	s.Last, s.Problem = &last, tally.Problem
	if last.State == Failed && s.Problem == "" {
		s.Problem = outcome.Error
	}
}

func told(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}

func sources(m *config.Mirror) (list []string) {
	if m.Charts != nil {
		return []string{m.Charts.URL}
	}
	for _, s := range m.Sources {
		list = append(list, s.String())
	}
	return list
}
