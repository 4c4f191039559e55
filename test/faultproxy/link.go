package faultproxy

import (
	"context"
	"net"
	"sync"
	"time"
)

// Link is the line that clients reach the upstream over. Its round trip delays
// each answer's first byte once, and each new connection once more; the
// handshake of TLS and the slow start of TCP cost nothing extra.
type Link struct {
	RoundTrip      time.Duration
	BytesPerSecond int64 // for the bodies of all answers together; 0 is no limit
}

// Bodies go out in pieces. A piece of a slow link takes 10 ms, so that the link
// is shared fairly and cuts are exact in time.
const (
	pieceMost    = 64 << 10
	pieceLeast   = 256
	piecesSecond = 100

	burst = 5 * time.Millisecond // what may be caught up after a pause

	// sendBuffer is how much the kernel takes from the proxy ahead of the
	// client; more would count bytes as sent that a killed client never had.
	sendBuffer = 64 << 10
)

// link is a bucket that fills at the link's rate.
type link struct {
	mu   sync.Mutex // protects what follows
	is   Link
	free time.Time // when all that was let through is over the line
}

func (l *link) set(to Link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.is, l.free = to, time.Time{}
}

func (l *link) roundTrip() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.is.RoundTrip
}

// piece is how many bytes are best sent at once.
func (l *link) piece() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.is.BytesPerSecond == 0 {
		return pieceMost
	}
	return int(min(max(l.is.BytesPerSecond/piecesSecond, pieceLeast), pieceMost))
}

// take waits until n more bytes are over the line.
func (l *link) take(ctx context.Context, n int) error { return sleep(ctx, l.reserve(n)) }

func (l *link) reserve(n int) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.is.BytesPerSecond == 0 {
		return 0
	}
	now := time.Now()
	if earliest := now.Add(-burst); l.free.Before(earliest) {
		l.free = earliest
	}
	l.free = l.free.Add(time.Duration(n) * time.Second / time.Duration(l.is.BytesPerSecond))
	return l.free.Sub(now)
}

// sleep returns early, with an error, when the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// late makes the first words over a connection come a round trip late, which is
// what the handshake takes.
type late struct {
	net.Listener
	proxy *Proxy
}

func (l late) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if err := c.(*net.TCPConn).SetWriteBuffer(sendBuffer); err != nil {
		_ = c.Close()
		return nil, err
	}
	l.proxy.counts.connection()
	ctx, cancel := context.WithCancel(context.Background())
	ready := time.Now().Add(l.proxy.link.roundTrip())
	return &lateConn{Conn: c, close: cancel, wait: sync.OnceFunc(func() { _ = sleep(ctx, time.Until(ready)) })}, nil
}

type lateConn struct {
	net.Conn
	wait  func()
	close context.CancelFunc
}

func (c *lateConn) Read(b []byte) (int, error) {
	c.wait()
	return c.Conn.Read(b)
}

func (c *lateConn) Close() error {
	c.close()
	return c.Conn.Close()
}
