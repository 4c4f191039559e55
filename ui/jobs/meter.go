package jobs

import (
	"math"
	"time"
)

// smoothing is how long the past counts in a rate.
const smoothing = 10 * time.Second

// meter computes how fast a job is.
type meter struct {
	now Progress // as reported, with the rate of the last sample

	counts  bool // something was reported
	sampled bool // since then
	at      time.Time
	last    Progress
	bytes   float64 // per second
	items   float64 // per second
	any     bool    // bytes and items say something
}

func (m *meter) report(at Progress) {
	if !m.counts || at.Phase != m.now.Phase || at.Bytes < m.now.Bytes || at.Items < m.now.Items {
		*m = meter{counts: true} // something else is counted now
	}
	at.Rate, at.Remaining = m.now.Rate, m.now.Remaining
	m.now = at
}

// sample looks at what was reported since the last time. The first time only says
// where the job began: a job that goes on begins with what was done before.
func (m *meter) sample(now time.Time) {
	since := now.Sub(m.at).Seconds()
	if !m.counts || m.sampled && since <= 0 {
		return
	}
	if m.sampled {
		bytes := float64(m.now.Bytes-m.last.Bytes) / since
		items := float64(m.now.Items-m.last.Items) / since
		weight := 1 - math.Exp(-since/smoothing.Seconds())
		if !m.any {
			weight = 1
		}
		m.any = true
		m.bytes += weight * (bytes - m.bytes)
		m.items += weight * (items - m.items)
	}
	m.sampled, m.at, m.last = true, now, m.now
	m.now.Rate, m.now.Remaining = math.Round(m.bytes), m.remaining()
}

// longest is the remaining time above which nothing is known.
const longest = 365 * 24 * 3600

// remaining is how many seconds the job will take; 0 when that is not known.
func (m *meter) remaining() int64 {
	left, rate := float64(m.now.TotalBytes-m.now.Bytes), m.bytes
	if m.now.TotalBytes <= 0 {
		left, rate = float64(m.now.TotalItems-m.now.Items), m.items
	}
	if seconds := math.Ceil(left / rate); rate > 0 && left > 0 && seconds < longest {
		return int64(seconds)
	}
	return 0
}
