package observe

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// exchange is one request with its answer. It is the request's context and
// holds its response writer, so that one allocation serves for all.
type exchange struct {
	context.Context
	answer   recorder
	body     *body // nil when the request has none
	id       [1]string
	method   method
	route    route
	span     trace.Span // nil without traces
	returned bool       // the handler did not panic
}

// exchangeKey finds the exchange of a context.
type exchangeKey struct{}

// Value is that of the context which the server made, and the exchange itself.
func (x *exchange) Value(key any) any {
	if key == (exchangeKey{}) {
		return x
	}
	return x.Context.Value(key)
}

// RequestID is the id of the request that ctx belongs to, empty when there is
// none.
func RequestID(ctx context.Context) string {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x.id[0]
	}
	return ""
}

// begin is everything before the handler; r comes back with the exchange as
// its context.
func (o *Observer) begin(w http.ResponseWriter, r *http.Request) (*exchange, *http.Request) {
	o.metrics.inFlight.Add(1)
	x := &exchange{Context: r.Context(), method: methodOf(r.Method), route: routeOf(r.URL.Path)}
	x.answer = recorder{ResponseWriter: w, start: time.Now(), head: x.method == head, timed: x.method == get && x.route == blob}
	if x.route.ofRegistry() {
		x.answer.traffic = &o.traffic
	}
	x.id[0] = requestID(r.Header)
	w.Header()["X-Request-Id"] = x.id[0:1:1]
	if o.traces != nil {
		o.traces.begin(x, r)
	}
	r = r.WithContext(x)
	if r.Body != nil && r.Body != http.NoBody {
		x.body = &body{ReadCloser: r.Body, traffic: &o.traffic}
		r.Body = x.body
	}
	return x, r
}

// end is everything after the handler, also of one that panics: net/http then
// closes the connection.
func (o *Observer) end(x *exchange, r *http.Request) {
	took := time.Since(x.answer.start)
	if x.answer.status == 0 {
		x.answer.status = http.StatusOK
		if !x.returned {
			x.answer.status = http.StatusInternalServerError
		}
	}
	var received int64
	if x.body != nil {
		received = x.body.n.Load()
	}
	o.metrics.observe(x, took, received)
	o.traffic.end(x)
	if x.span != nil {
		endSpan(x, received)
	}
	o.metrics.inFlight.Add(-1)
	if !o.log.Enabled(x, o.level) {
		return
	}
	o.log.LogAttrs(x, o.level, "request", slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.Int("status", x.answer.status), slog.Int64("bytes", x.answer.sent), slog.Int64("received", received),
		slog.Duration("duration", took), slog.String("remote", r.RemoteAddr), slog.String("agent", r.UserAgent()))
}

// body counts what the handler reads. A handler may read on another goroutine.
type body struct {
	io.ReadCloser
	n       atomic.Int64
	traffic *traffic
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	b.traffic.received.Add(int64(n))
	return n, err
}

// maxID bounds the ids that are taken over from clients.
const maxID = 64

// requestID is the client's, so that logs on both sides can be matched, or a
// random one. It tells requests apart and guards nothing.
func requestID(h http.Header) string {
	if given := h["X-Request-Id"]; len(given) == 1 && validID(given[0]) {
		return given[0]
	}
	const digits = "0123456789abcdef"
	var id [16]byte
	for i, n := 0, rand.Uint64(); i < len(id); i++ {
		id[i] = digits[n&0xf]
		n >>= 4
	}
	return string(id[:])
}

// validID holds for ids that are safe in headers, logs and shells.
func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
