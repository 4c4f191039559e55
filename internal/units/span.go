package units

import (
	"fmt"
	"time"
)

// spans are what people count time in, the longest first.
var spans = []struct {
	name   string
	length time.Duration
}{{"day", day}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}}

// Span says a time in the longest unit that it is a whole number of.
func Span(d time.Duration) string {
	for _, s := range spans {
		switch {
		case d == s.length:
			return "1 " + s.name
		case d >= s.length && d%s.length == 0:
			return fmt.Sprintf("%d %ss", d/s.length, s.name)
		}
	}
	return d.String()
}

// Ago says how long something has been, rounded down to its longest unit.
func Ago(d time.Duration) string {
	for _, s := range spans {
		if d >= s.length {
			return Span(d.Truncate(s.length)) + " ago"
		}
	}
	return "just now"
}
