package config

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is when a mirror runs by itself.
type Schedule struct {
	Cron   string
	Jitter time.Duration // each run begins up to so much later
	times  cron.Schedule
}

// parseCron reads five fields, or @daily and the like. "CRON_TZ=Europe/Berlin 0 2 * * *"
// is in another time zone than the machine's.
func parseCron(text string) (*Schedule, error) {
	times, err := cron.ParseStandard(text)
	if err != nil {
		return nil, errors.New(`want five fields, minute hour day month weekday, like "0 2 * * *", or @daily`)
	}
	return &Schedule{Cron: text, times: times}, nil
}

// Next is the first time after t, with its jitter.
func (s *Schedule) Next(t time.Time) time.Time {
	next := s.times.Next(t)
	if s.Jitter > 0 && !next.IsZero() {
		next = next.Add(rand.N(s.Jitter))
	}
	return next
}
