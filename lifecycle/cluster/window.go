package cluster

import (
	"slices"
	"time"
)

// Closed is for how long no maintenance window is open yet, by the time's own zone; 0
// when one is, or when there are none.
func (u *UpgradeSpec) Closed(at time.Time) time.Duration {
	if len(u.Windows) == 0 {
		return 0
	}
	least := time.Duration(-1)
	for _, w := range u.Windows {
		if wait := w.closed(at); least < 0 || wait < least {
			least = wait
		}
	}
	return least
}

const week = 7

// closed is for how long a window is not open yet. One that began yesterday may still be.
func (w *Window) closed(at time.Time) time.Duration {
	start, err := time.Parse("15:04", w.Start)
	if err != nil {
		return 0
	}
	for day := -1; day <= week; day++ {
		y, m, d := at.AddDate(0, 0, day).Date()
		opens := time.Date(y, m, d, start.Hour(), start.Minute(), 0, 0, at.Location())
		if len(w.Days) > 0 && !slices.Contains(w.Days, days[(int(opens.Weekday())+week-1)%week]) {
			continue
		}
		if wait := opens.Sub(at); wait > 0 {
			return wait
		} else if -wait < time.Duration(w.Duration) {
			return 0
		}
	}
	return time.Hour // a window that never opens: its days were validated
}
