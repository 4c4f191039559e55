package upload

import (
	"net/http"
	"strconv"
	"time"
)

// A client that asks with the header Landfall-Progress is told, while it sends, how
// far its bytes were written: in interim answers (RFC 9110, 15.2) of status 104 with
// the header Landfall-Written. These bytes survive the end of the process, not yet a
// power cut. So a client can keep short what a crash would make it send twice; left to
// themselves, the buffers of a connection take many megabytes.
const (
	HeaderProgress = "Landfall-Progress"
	HeaderWritten  = "Landfall-Written"
	StatusWritten  = 104

	reportEvery  = 512 << 10
	reportAtMost = 500 * time.Millisecond
)

// reporter tells a client how far its bytes were written.
type reporter struct {
	w    http.ResponseWriter
	at   int64
	last time.Time
}

// newReporter is nil when the client did not ask.
func newReporter(w http.ResponseWriter, r *http.Request, at int64) *reporter {
	if r.Header.Get(HeaderProgress) == "" {
		return nil
	}
	// The connection's own writer: what stands before it may know final answers only.
	for {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return &reporter{w, at, time.Now()}
		}
		w = u.Unwrap()
	}
}

// report tells that the bytes before at were written, when that is worth while.
func (p *reporter) report(at int64) {
	if p == nil || at-p.at < reportEvery && time.Since(p.last) < reportAtMost {
		return
	}
	p.at, p.last = at, time.Now()
	h := p.w.Header()
	h.Set(HeaderWritten, strconv.FormatInt(at, 10))
	p.w.WriteHeader(StatusWritten)
	h.Del(HeaderWritten)
}
