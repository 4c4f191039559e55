package retention

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	day    = 24 * time.Hour
	maxAge = 36500 * day
)

var (
	errAge  = errors.New("not a time from 1s to 36500d (720h, 30d, 2w)")
	errSize = errors.New("not a whole number of bytes with a unit, below 8EiB (B, KB, KiB, MB, MiB … PiB)")
)

// parseAge reads whole days (30d) and weeks (2w) of 24 hours a day, or what
// time.ParseDuration reads, of one second to 36500 days.
func parseAge(text string) (time.Duration, error) {
	var age time.Duration
	var err error
	switch number, unit := cutUnit(text); unit {
	case "d", "w":
		var days int64
		days, err = strconv.ParseInt(number, 10, 32)
		if unit == "w" {
			days *= 7
		}
		// Held to the bound here too, where it cannot overflow.
		age = time.Duration(min(days, int64(maxAge/day)+1)) * day
	default:
		age, err = time.ParseDuration(text)
	}
	if err != nil || age < time.Second || age > maxAge {
		return 0, errAge
	}
	return age, nil
}

// ageText is the canonical form of an age that parseAge reads.
func ageText(age time.Duration) string {
	if age%day == 0 {
		return strconv.FormatInt(int64(age/day), 10) + "d"
	}
	return age.String()
}

// units of size, the greatest first.
var units = []struct {
	name  string
	bytes int64
}{
	{"PiB", 1 << 50},
	{"PB", 1e15},
	{"TiB", 1 << 40},
	{"TB", 1e12},
	{"GiB", 1 << 30},
	{"GB", 1e9},
	{"MiB", 1 << 20},
	{"MB", 1e6},
	{"KiB", 1 << 10},
	{"KB", 1e3},
	{"B", 1},
}

// parseSize reads a whole number with a unit, 1B to less than 8EiB.
func parseSize(text string) (int64, error) {
	number, name := cutUnit(text)
	n, err := strconv.ParseInt(number, 10, 64)
	for _, unit := range units {
		if err == nil && unit.name == name && n >= 1 && n <= math.MaxInt64/unit.bytes {
			return n * unit.bytes, nil
		}
	}
	return 0, errSize
}

// sizeText is the canonical form of a size: the greatest unit without a rest.
func sizeText(size int64) string {
	for _, unit := range units {
		if size%unit.bytes == 0 {
			return strconv.FormatInt(size/unit.bytes, 10) + unit.name
		}
	}
	return "" // every size is a number of bytes
}

// cutUnit splits "50GiB" after its leading digits.
func cutUnit(text string) (number, unit string) {
	unit = strings.TrimLeft(text, "0123456789")
	return text[:len(text)-len(unit)], unit
}

// spans are what people count time in, the longest first.
var spans = []struct {
	name   string
	length time.Duration
}{{"day", day}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}}

// words says a time in the longest span that it is a whole number of.
func words(d time.Duration) string {
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

// ago says how long something has been, rounded down to its longest span.
func ago(d time.Duration) string {
	for _, s := range spans {
		if d >= s.length {
			return words(d.Truncate(s.length)) + " ago"
		}
	}
	return "just now"
}
