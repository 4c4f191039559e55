package units

import (
	"errors"
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

// ParseAge reads whole days (30d) and weeks (2w) of 24 hours a day, or what
// time.ParseDuration reads, of one second to 36500 days.
func ParseAge(text string) (time.Duration, error) {
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

// Age is the canonical form of an age that ParseAge reads.
func Age(age time.Duration) string {
	if age%day == 0 {
		return strconv.FormatInt(int64(age/day), 10) + "d"
	}
	return age.String()
}

// sizes are the units of size, the greatest first.
var sizes = []struct {
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

// ParseSize reads a whole number with a unit, 1B to less than 8EiB.
func ParseSize(text string) (int64, error) {
	number, name := cutUnit(text)
	n, err := strconv.ParseInt(number, 10, 64)
	for _, unit := range sizes {
		if err == nil && unit.name == name && n >= 1 && n <= math.MaxInt64/unit.bytes {
			return n * unit.bytes, nil
		}
	}
	return 0, errSize
}

// Size is the canonical form of a size: the greatest unit without a rest.
func Size(size int64) string {
	for _, unit := range sizes {
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
