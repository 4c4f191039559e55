// Package observe lets an operator watch what the site answers: metrics for
// Prometheus, an id and a log line for each request, and traces for those who
// ask for them. It decides nothing and changes no answer but for the header
// that tells the id.
//
// Nouns. A route is the kind of thing that a path stands for; names of
// repositories never become labels, so that nobody can grow the metrics from
// outside. An exchange is one request with its answer, while it goes on.
package observe

import (
	"log/slog"
	"net/http"
)

// Options of an Observer. The zero value is the default.
type Options struct {
	// Log gets one line for each request, at debug level. Nil for silence.
	Log *slog.Logger
	// LogRequests raises these lines to info level.
	LogRequests bool
	// Source is asked at each scrape. Nil for metrics without a store.
	Source Source
	// Traces gets a span for each request. Nil for none.
	Traces *Traces
}

// Observer watches all requests of one server.
type Observer struct {
	log     *slog.Logger
	level   slog.Level
	metrics *metrics
	traces  *Traces
	traffic traffic
}

// New makes an Observer.
func New(opts Options) *Observer {
	o := &Observer{log: opts.Log, level: slog.LevelDebug, traces: opts.Traces}
	if opts.LogRequests {
		o.level = slog.LevelInfo
	}
	if o.log == nil {
		o.log = slog.New(slog.DiscardHandler)
	}
	o.log = WithRequests(o.log)
	o.metrics = newMetrics(opts.Source)
	return o
}

// Wrap watches what next answers. Next gets a response writer that hands
// files on to the server's own, and a context that knows the request's id.
func (o *Observer) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x, observed := o.begin(w, r)
		defer o.end(x, r)
		next.ServeHTTP(&x.answer, observed)
		x.returned = true
	})
}
