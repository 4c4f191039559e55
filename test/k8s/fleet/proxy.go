package fleet

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Proxy hands connections on to a server and counts what goes through, as it is on the
// wire.
type Proxy struct {
	Connections, Sent, Received atomic.Int64 // Sent is by the server, in bytes

	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu   sync.Mutex // protects open
	open map[net.Conn]bool
}

// NewProxy listens at an address until Close.
func NewProxy(at, to string) (*Proxy, error) {
	l, err := net.Listen("tcp", at)
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, to: to, open: map[net.Conn]bool{}}
	p.running.Go(p.serve)
	return p, nil
}

func (p *Proxy) serve() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.Connections.Add(1)
		p.running.Go(func() { p.hand(c) })
	}
}

func (p *Proxy) note(c net.Conn, open bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[c] = true; !open {
		delete(p.open, c)
		c.Close()
	}
}

// Open is how many connections there are: what goes through them is counted at their end.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open) / 2
}

func (p *Proxy) hand(c net.Conn) {
	p.note(c, true)
	defer p.note(c, false)
	s, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	p.note(s, true)
	defer p.note(s, false)
	var both sync.WaitGroup
	both.Go(func() {
		n, _ := io.Copy(s, c) // its end says the other side
		p.Received.Add(n)
		_ = s.(*net.TCPConn).CloseWrite()
	})
	n, _ := io.Copy(c, s)
	p.Sent.Add(n)
	_ = c.(*net.TCPConn).CloseWrite()
	both.Wait()
}

// Close ends it, with all connections.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.mu.Lock()
	for c := range p.open {
		err = errors.Join(err, c.Close())
	}
	p.mu.Unlock()
	p.running.Wait()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}
