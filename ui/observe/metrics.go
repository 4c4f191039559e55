package observe

import (
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// scrapes bounds how many scrapes count the store at the same time.
const scrapes = 3

// buckets reach from a manifest out of memory to a large layer over a slow
// line.
var buckets = []float64{.0005, .001, .0025, .005, .01, .025, .1, .5, 1, 5, 30, 120, 600, 1800}

// metrics counts exchanges. The hot path finds its counters in arrays: they
// are looked up by label once, when the first such exchange ends.
type metrics struct {
	registry       *prometheus.Registry
	requests       *prometheus.CounterVec
	seconds        *prometheus.HistogramVec
	first          prometheus.Histogram
	children       [methods][routes]child
	sent, received [routes]prometheus.Counter
	inFlight       atomic.Int64
}

// child counts the exchanges of one method and route.
type child struct {
	seconds atomic.Pointer[prometheus.Observer]
	counts  [len(statuses)]atomic.Pointer[prometheus.Counter]
}

func newMetrics(source Source) *metrics {
	labels := []string{"method", "route"}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "landfall_http_requests_total",
			Help: "Requests answered."}, []string{"method", "route", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "landfall_http_request_seconds",
			Help: "Time to the end of the answer.", Buckets: buckets}, labels),
		first: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "landfall_http_first_byte_seconds",
			Help: "Time to the begin of the answer to a GET of a blob; other answers are too short to tell it from their end.", Buckets: buckets}),
	}
	sent := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "landfall_http_sent_bytes_total",
		Help: "Bytes of bodies sent, counted when the answer ends."}, labels[1:])
	received := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "landfall_http_received_bytes_total",
		Help: "Bytes of bodies received, counted when the answer ends."}, labels[1:])
	for r := range routes {
		m.sent[r], m.received[r] = sent.WithLabelValues(routeNames[r]), received.WithLabelValues(routeNames[r])
	}
	inFlight := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "landfall_http_requests_in_flight",
		Help: "Requests being answered."}, func() float64 { return float64(m.inFlight.Load()) })
	m.registry.MustRegister(m.requests, m.seconds, m.first, sent, received, inFlight, buildInfo(),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if source != nil {
		m.registry.MustRegister(&collector{source})
	}
	return m
}

// observe counts one exchange.
func (m *metrics) observe(x *exchange, took time.Duration, received int64) {
	c := &m.children[x.method][x.route]
	slot := slotOf(x.answer.status)
	count := c.counts[slot].Load()
	if count == nil {
		count = m.count(x.method, x.route, slot)
	}
	(*count).Inc()
	seconds := c.seconds.Load()
	if seconds == nil {
		seconds = m.times(x.method, x.route)
	}
	(*seconds).Observe(took.Seconds())
	if x.answer.timed && x.answer.first > 0 {
		m.first.Observe(x.answer.first.Seconds())
	}
	if x.answer.sent > 0 {
		m.sent[x.route].Add(float64(x.answer.sent))
	}
	if received > 0 {
		m.received[x.route].Add(float64(received))
	}
}

// count is the first look-up of a counter. Two at once find the same one.
func (m *metrics) count(method method, route route, slot uint8) *prometheus.Counter {
	code := "other"
	if slot > 0 {
		code = strconv.Itoa(statuses[slot])
	}
	counter := m.requests.WithLabelValues(methodNames[method], routeNames[route], code)
	m.children[method][route].counts[slot].Store(&counter)
	return &counter
}

// times is count for the histogram.
func (m *metrics) times(method method, route route) *prometheus.Observer {
	observer := m.seconds.WithLabelValues(methodNames[method], routeNames[route])
	m.children[method][route].seconds.Store(&observer)
	return &observer
}

// Metrics answers scrapes, in Prometheus's formats.
func (o *Observer) Metrics() http.Handler {
	return promhttp.HandlerFor(o.metrics.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(o.log.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: scrapes,
	})
}

// buildInfo is a constant that carries its value in labels.
func buildInfo() prometheus.Collector {
	labels := prometheus.Labels{"version": version(), "revision": "", "goversion": runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				labels["revision"] = s.Value
			}
		}
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "landfall_build_info", Help: "The program that runs.", ConstLabels: labels})
	g.Set(1)
	return g
}

// version is the program's, as the build recorded it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
