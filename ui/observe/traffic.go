package observe

import (
	"net/http"
	"sync/atomic"
)

// Traffic is what has gone through since the program began. Unlike the metrics it
// has the bytes of answers and requests that still go on: a layer that is sent for
// an hour is traffic of that hour, not of its last minute.
type Traffic struct {
	Sent     int64 // bytes of bodies, by the registry
	Received int64 // bytes of bodies, by everything
	Pulls    int64 // GETs of manifests and blobs that did not fail
}

// traffic counts what Traffic tells. A nil one counts nothing.
type traffic struct{ sent, received, pulls atomic.Int64 }

// Traffic is what has gone through so far.
func (o *Observer) Traffic() Traffic {
	return Traffic{Sent: o.traffic.sent.Load(), Received: o.traffic.received.Load(), Pulls: o.traffic.pulls.Load()}
}

func (t *traffic) addSent(n int64) {
	if t != nil && n > 0 {
		t.sent.Add(n)
	}
}

// end counts an exchange that is over.
func (t *traffic) end(x *exchange) {
	if x.method == get && (x.route == manifest || x.route == blob) && x.answer.status < http.StatusBadRequest {
		t.pulls.Add(1)
	}
}

// ofRegistry reports whether a route is one of the registry's protocol.
func (r route) ofRegistry() bool { return r != other && r != api }
