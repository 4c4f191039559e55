package host

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Clock is the machine's time.
type Clock struct {
	Now             time.Time  `json:"now"`
	Zone            string     `json:"zone"`                      // Europe/Berlin, or only CET
	OffsetSeconds   int        `json:"offsetSeconds"`             // east of UTC
	Synchronised    *bool      `json:"synchronised,omitempty"`    // with a time server; absent: not known
	ErrorSeconds    float64    `json:"errorSeconds,omitempty"`    // as the kernel estimates it, while synchronised
	MaxErrorSeconds float64    `json:"maxErrorSeconds,omitempty"` // what it can be at most
	RTC             *time.Time `json:"rtc,omitempty"`             // the clock that goes on without power, taken for UTC
	NotBefore       time.Time  `json:"notBefore,omitzero"`        // a right clock shows more
}

func (r files) clock(now, notBefore time.Time) Clock {
	c := Clock{Now: now, NotBefore: notBefore, Zone: r.zone()}
	name, offset := now.Zone()
	if c.OffsetSeconds = offset; c.Zone == "" {
		c.Zone = name
	}
	if state, t, ok := kernelClock(); ok {
		synchronised := state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
		c.Synchronised = &synchronised
		if synchronised {
			c.ErrorSeconds, c.MaxErrorSeconds = float64(t.Esterror)/1e6, float64(t.Maxerror)/1e6
		}
	}
	if epoch, err := strconv.ParseInt(r.text("sys/class/rtc/rtc0/since_epoch"), 10, 64); err == nil && epoch > 0 {
		rtc := time.Unix(epoch, 0).UTC()
		c.RTC = &rtc
	}
	return c
}

// zone is the name of the time zone that /etc/localtime links to.
func (r files) zone() string {
	target, err := os.Readlink(filepath.Join("/", string(r), "etc/localtime"))
	if err != nil {
		return ""
	}
	_, name, _ := strings.Cut(target, "zoneinfo/")
	return name
}

// kernelClock asks whether the clock follows a time server. In a container that
// may be refused.
func kernelClock() (state int, t unix.Timex, ok bool) {
	state, err := unix.Adjtimex(&t) // Modes 0: it changes nothing
	return state, t, err == nil
}
