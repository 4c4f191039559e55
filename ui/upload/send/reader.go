package send

import (
	"context"
	"fmt"
	"io"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/upload"
)

const (
	// oneWindow is how many bytes of an upload may be under way that the appliance has
	// not told to have written: so many are sent twice when it crashes. The appliance
	// writes in pieces of 1 MiB, one while it reads the next. Where several parts come,
	// it has enough to do with less of each.
	oneWindow   = 3 << 20
	partsWindow = 5 << 18
	// windowPatience is how long is waited for the appliance to tell. A proxy may keep
	// it from doing so; then nothing is waited for any more.
	windowPatience = 15 * time.Second
)

// reader reads the rest of a part for one request. It counts, and waits when too
// much is under way.
type reader struct {
	content io.Reader
	sender  *sender
	ctx     context.Context //nolint:containedctx // of the request whose body this is
	id      string
	watch   *time.Timer // of the request; renewed while bytes move

	mu      sync.Mutex // protects the fields below
	at      int64      // of the upload, what was read
	written int64      // of the upload, what the appliance told
	free    bool       // nothing is waited for
	window  int64
	told    chan struct{}
	broken  <-chan struct{} // of the connection
}

func (s *sender) newReader(ctx context.Context, p *part, watch *time.Timer) *reader {
	return &reader{content: io.NewSectionReader(s.file, p.start+p.offset, p.size-p.offset), sender: s, ctx: ctx, id: p.id, watch: watch,
		at: p.offset, written: p.offset, window: s.window, told: make(chan struct{}, 1)}
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	room, err := r.room()
	if err != nil {
		return 0, err
	}
	n, err := r.content.Read(p[:min(int64(len(p)), room)])
	r.watch.Reset(stall)
	r.sender.sent.Add(int64(n))
	r.mu.Lock()
	r.at += int64(n)
	at := r.at
	r.mu.Unlock()
	r.sender.move(r.id, at)
	return n, err
}

// room waits until something may be sent, and tells how much.
func (r *reader) room() (int64, error) {
	for {
		r.mu.Lock()
		room := r.window - (r.at - r.written)
		if r.free {
			room = r.window
		}
		broken := r.broken
		r.mu.Unlock()
		if room > 0 {
			return room, nil
		}
		select {
		case <-r.told:
		case <-broken:
			return 0, fmt.Errorf("%w: the connection broke", registry.ErrUnreachable)
		case <-time.After(windowPatience):
			r.mu.Lock()
			r.free = true
			r.mu.Unlock()
		case <-r.ctx.Done():
			return 0, context.Cause(r.ctx)
		}
	}
}

// traced listens to what the appliance tells while the request is sent.
func (r *reader) traced(ctx context.Context) context.Context {
	trace := &httptrace.ClientTrace{}
	trace.GotConn = func(info httptrace.GotConnInfo) {
		r.mu.Lock()
		r.broken = brokenOf(info.Conn)
		r.mu.Unlock()
	}
	trace.Got1xxResponse = func(code int, header textproto.MIMEHeader) error {
		at, err := strconv.ParseInt(header.Get(upload.HeaderWritten), 10, 64)
		if code != upload.StatusWritten || err != nil {
			return nil
		}
		r.mu.Lock()
		r.written = min(max(r.written, at), r.at)
		r.mu.Unlock()
		select {
		case r.told <- struct{}{}:
		default:
		}
		return nil
	}
	return httptrace.WithClientTrace(ctx, trace)
}
