package remote

import (
	"context"

	"golang.org/x/time/rate"
)

// limits are what a host may be asked for in a second. The zero value is none.
type limits struct {
	requests *rate.Limiter
	bytes    *rate.Limiter
}

// burst is how many bytes may move at once under a limit, so that it is kept
// over parts of a second too.
const burst = 64 << 10

func newLimits(requests float64, bytes int64) limits {
	var l limits
	if requests > 0 {
		l.requests = rate.NewLimiter(rate.Limit(requests), max(1, int(requests)))
	}
	if bytes > 0 {
		l.bytes = rate.NewLimiter(rate.Limit(bytes), burst)
	}
	return l
}

// request waits until another request may begin.
func (l limits) request(ctx context.Context) error {
	if l.requests == nil {
		return nil
	}
	return l.requests.Wait(ctx)
}

// most is how much of a buffer may be filled at once.
func (l limits) most(p []byte) []byte {
	if l.bytes == nil {
		return p
	}
	return p[:min(len(p), burst)]
}

// moved waits until so many bytes more were allowed.
func (l limits) moved(ctx context.Context, n int) error {
	if l.bytes == nil || n == 0 {
		return nil
	}
	return l.bytes.WaitN(ctx, n)
}
