package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Windows are the times of the week in which a link may be used.
type Windows struct {
	spans []span
	zone  *time.Location
}

// span is from one minute of the week to another, later one. Monday 00:00 is 0.
type span struct{ from, to int }

const (
	minutesOfDay  = 24 * 60
	minutesOfWeek = 7 * minutesOfDay
)

var (
	weekdays      = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	windowPattern = regexp.MustCompile(`\A(?:([A-Za-z,-]+) +)?(\d\d):(\d\d)-(\d\d):(\d\d)\z`)
	errWindow     = errors.New(`want times like "22:00-06:00" or "Mon-Fri 12:00-13:30"`)
)

// add reads one window; one that ends before it begins ends on the next day.
func (w *Windows) add(text string) error {
	m := windowPattern.FindStringSubmatch(text)
	if m == nil {
		return errWindow
	}
	days, err := parseDays(m[1])
	if err != nil {
		return err
	}
	from, errFrom := minute(m[2], m[3])
	to, errTo := minute(m[4], m[5])
	if errFrom != nil || errTo != nil || from == to || from == minutesOfDay {
		return errWindow
	}
	if to < from {
		to += minutesOfDay
	}
	for _, day := range days {
		w.spans = append(w.spans, span{day*minutesOfDay + from, day*minutesOfDay + to})
	}
	return nil
}

func minute(hours, minutes string) (int, error) {
	h, _ := strconv.Atoi(hours)
	m, _ := strconv.Atoi(minutes)
	if h > 24 || m > 59 || h == 24 && m > 0 {
		return 0, errWindow
	}
	return h*60 + m, nil
}

// parseDays reads "Mon-Fri,Sun"; nothing is every day.
func parseDays(text string) (days []int, err error) {
	if text == "" {
		return []int{0, 1, 2, 3, 4, 5, 6}, nil
	}
	for part := range strings.SplitSeq(strings.ToLower(text), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, to := slices.Index(weekdays, first), slices.Index(weekdays, last)
		if from < 0 || to < 0 {
			return nil, fmt.Errorf("%q is no day of the week (Mon, Tue, Wed, Thu, Fri, Sat, Sun)", part)
		}
		for day := from; ; day = (day + 1) % 7 {
			days = append(days, day)
			if day == to {
				break
			}
		}
	}
	return days, nil
}

// minuteOfWeek also returns the start of that minute.
func (w *Windows) minuteOfWeek(t time.Time) (int, time.Time) {
	t = t.In(w.zone).Truncate(time.Minute)
	return (int(t.Weekday())+6)%7*minutesOfDay + t.Hour()*60 + t.Minute(), t
}

// Open reports whether the link may be used at a time, and until when; or else
// from when on. Without windows it always may, until the zero time.
func (w *Windows) Open(t time.Time) (open bool, change time.Time) {
	if w == nil || len(w.spans) == 0 {
		return true, time.Time{}
	}
	at, start := w.minuteOfWeek(t)
	open = w.contains(at)
	for ahead := 1; ahead <= minutesOfWeek; ahead++ {
		if w.contains((at+ahead)%minutesOfWeek) != open {
			return open, start.Add(time.Duration(ahead) * time.Minute)
		}
	}
	return open, time.Time{} // the windows are the whole week
}

func (w *Windows) contains(at int) bool {
	return slices.ContainsFunc(w.spans, func(s span) bool {
		return s.from <= at && at < s.to || at+minutesOfWeek < s.to
	})
}
