package link

import (
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// slack is by how much clocks may differ without anything being said or done.
	slack = 5 * time.Minute
	// setBack is by how much a clock was set back at least when certificates are renewed.
	setBack = time.Hour
)

// built is a time that has passed for certain: a clock that says an earlier one is wrong.
var built = sync.OnceValue(func() time.Time {
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return at
	}
	for _, s := range info.Settings {
		if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil && t.After(at) {
			return t
		}
	}
	return at
})

// note learns the appliance's clock from an answer that is known to be of it.
func (c *Client) note(answer *http.Response) {
	at, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return
	}
	ahead := at.Sub(c.opts.Now()).Round(time.Second)
	c.mu.Lock()
	news := (ahead - c.ahead).Abs() > slack
	c.ahead = ahead
	c.mu.Unlock()
	if news && ahead.Abs() > slack {
		c.opts.Log.Warn("this host's clock is not that of the appliance: clusters need clocks that agree", "appliance", at.Format(time.RFC3339), "ahead", ahead.String())
	}
}

// now is the time by the appliance's clock, as far as that is known; mu is held.
func (c *Client) now() time.Time { return c.opts.Now().Add(c.ahead).Round(0) }

// due reports whether the certificate should be renewed. Its appliance made it by its own
// clock, and so it is that one which counts: this machine's may be years behind.
func (c *Client) due() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, made := c.now(), c.record.Made
	switch {
	case now.Before(made.Add(-setBack)):
		return true
	case made.Before(built()): // it was made by a clock that was wrong
		return !now.Before(built())
	}
	return !now.Before(made.Add(c.record.Expires.Sub(made) / 3))
}
