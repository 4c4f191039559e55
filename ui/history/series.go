package history

import (
	"context"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// Span is how far back a series goes.
type Span string

// The spans that there are.
const (
	Hour  Span = "1h"
	Day   Span = "1d"
	Week  Span = "7d"
	Month Span = "30d"
	Year  Span = "365d"
)

// resolution is how long a span is, and the step that makes some 60 to 300 samples
// of it. What is older than minutes are kept has steps of whole hours.
type resolution struct{ length, step time.Duration }

var resolutions = map[Span]resolution{
	Hour:  {time.Hour, time.Minute},
	Day:   {24 * time.Hour, 5 * time.Minute},
	Week:  {7 * 24 * time.Hour, time.Hour},
	Month: {30 * 24 * time.Hour, 3 * time.Hour},
	Year:  {365 * 24 * time.Hour, 48 * time.Hour},
}

// Series is the history of a span.
type Series struct {
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	Step    int64     `json:"step" doc:"Seconds that a sample is of"`
	Samples []Sample  `json:"samples" doc:"In their order; without those of times at which the appliance did not run"`
}

// Series reads a span that ends now. ErrInvalid when there is no such span.
func (h *History) Series(ctx context.Context, span Span) (Series, error) {
	r, ok := resolutions[span]
	if !ok {
		return Series{}, fmt.Errorf("%w: there is no span %q", registry.ErrInvalid, span)
	}
	step, until := int64(r.step/time.Second), h.now().wall.Unix()
	from := until - int64(r.length/time.Second)
	from -= from % step
	s := Series{From: date(from), Until: date(until), Step: step, Samples: []Sample{}}
	rows, err := h.db.Read.QueryContext(ctx, joined+` WHERE step <= ?1 AND at >= ?2 AND at < ?3 GROUP BY begin ORDER BY begin`, step, from, until)
	if err != nil {
		return Series{}, err
	}
	defer rows.Close()
	for rows.Next() {
		var x Sample
		var at, last int64
		if err := rows.Scan(&at, &x.Seconds, &x.SentBytes, &x.Requests, &x.ReceivedBytes, &x.StoreBytes, &x.TrashBytes, &x.FreeBytes, &x.Tags, &last); err != nil {
			return Series{}, err
		}
		x.At = date(at)
		s.Samples = append(s.Samples, x)
	}
	return s, rows.Err()
}

func date(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
