package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// guests are clients that keep an appliance busy: some hear what happens, some pull
// one blob again and again, as fast as they get it.
type guests struct {
	Host    string
	Streams []string // the token of each
	Pulls   []puller
}

type puller struct {
	Token  string
	Target target
}

// heard is what came of guests. Seconds is how long all of them were there.
type heard struct {
	Seconds     float64
	Streams     []stream
	Delays      latencies // from an event to its arrival
	Pulls       int64     // that came to their end
	PulledBytes int64
}

// stream is what one of those heard who listen.
type stream struct {
	First, Last, Count int64 // events by their numbers
	Resets             int64 // in place of events that were missed
}

// visiting is guests under way.
type visiting struct {
	guests
	begun  sync.WaitGroup // all are there
	ended  sync.WaitGroup
	failed chan error

	pulls, bytes atomic.Int64

	mu      sync.Mutex // protects the rest
	conns   []net.Conn
	leaving bool
	streams []stream
	delays  latencies
}

// guestsChild runs the guests of its standard input until it is told to end. It
// says when all are there, and prints what came of them.
func guestsChild(ctx context.Context, _ []string) error {
	v := &visiting{}
	if err := json.NewDecoder(os.Stdin).Decode(&v.guests); err != nil {
		return err
	}
	v.failed = make(chan error, len(v.Streams)+len(v.Pulls))
	for _, token := range v.Streams {
		v.enter(ctx, func(c *client, there func()) error { return v.listen(c, token, there) })
	}
	for _, p := range v.Pulls {
		v.enter(ctx, func(c *client, there func()) error { return v.pull(c, p, there) })
	}
	v.begun.Wait()
	start := time.Now()
	v.bytes.Store(0)
	v.pulls.Store(0)
	fmt.Println("there")
	var err error
	select {
	case <-ctx.Done():
	case err = <-v.failed:
	}
	h := heard{Seconds: time.Since(start).Seconds(), Pulls: v.pulls.Load(), PulledBytes: v.bytes.Load()}
	v.leave()
	v.ended.Wait()
	if err != nil {
		return err
	}
	h.Streams, h.Delays = v.streams, v.delays
	return json.NewEncoder(os.Stdout).Encode(h)
}

// enter lets one guest in. It says when it is there; an error before everybody
// leaves is a failure.
func (v *visiting) enter(ctx context.Context, visit func(c *client, there func()) error) {
	v.begun.Add(1)
	there := sync.OnceFunc(v.begun.Done)
	v.ended.Go(func() {
		defer there()
		c, err := dial(ctx, v.Host)
		if err == nil {
			defer c.Close()
			v.mu.Lock()
			v.conns = append(v.conns, c.Conn)
			v.mu.Unlock()
			err = visit(c, there)
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		if err != nil && !v.leaving {
			v.failed <- err
		}
	})
}

// leave ends all connections.
func (v *visiting) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.leaving = true
	for _, c := range v.conns {
		c.Close()
	}
}

// begin asks for something, and leaves the body to be read.
func (c *client) begin(path, token string) (*http.Response, error) {
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAuthorization: Bearer %s\r\n\r\n", path, c.host, token); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(c.r, nil)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, answer.Status)
	}
	return answer, err
}

// listen follows what happens until the connection ends.
func (v *visiting) listen(c *client, token string, there func()) error {
	answer, err := c.begin("/api/v1/events", token)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	there()
	var s stream
	var delays latencies
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		line := lines.Bytes()
		if _, number, ok := bytes.Cut(line, []byte("-")); ok && bytes.HasPrefix(line, []byte("id: ")) {
			if s.Last, err = strconv.ParseInt(string(number), 10, 64); err != nil {
				return err
			}
			if s.Count++; s.Count == 1 {
				s.First = s.Last
			}
		}
		if bytes.Equal(line, []byte("event: reset")) {
			s.Resets++
		}
		if at, ok := happened(line); ok {
			delays = append(delays, time.Since(at))
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.streams, v.delays = append(v.streams, s), append(v.delays, delays...)
	return io.ErrUnexpectedEOF
}

// happened is when the event of a line of data happened.
func happened(line []byte) (time.Time, bool) {
	_, rest, ok := bytes.Cut(line, []byte(`"at":"`))
	if !ok || !bytes.HasPrefix(line, []byte("data: ")) {
		return time.Time{}, false
	}
	text, _, _ := bytes.Cut(rest, []byte(`"`))
	at, err := time.Parse(time.RFC3339Nano, string(text))
	return at, err == nil
}

// pull gets a blob again and again.
func (v *visiting) pull(c *client, p puller, there func()) error {
	raw, err := c.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	for {
		answer, err := c.begin(p.Target.Path, p.Token)
		if err != nil {
			return err
		}
		if answer.ContentLength != p.Target.Size {
			return fmt.Errorf("%s: %d bytes instead of %d", p.Target.Path, answer.ContentLength, p.Target.Size)
		}
		there()
		have, _ := c.r.Discard(int(min(int64(c.r.Buffered()), p.Target.Size)))
		v.bytes.Add(int64(have))
		if err := v.discard(raw, p.Target.Size-int64(have)); err != nil {
			return fmt.Errorf("%s: %w", p.Target.Path, err)
		}
		v.pulls.Add(1)
	}
}

// discard lets the kernel throw n bytes away, without a copy (tcp(7), MSG_TRUNC),
// and wakes up only when there are many: a guest is another machine, whose
// processors the server does not need.
func (v *visiting) discard(raw syscall.RawConn, n int64) (err error) {
	buffer := make([]byte, mib) // never written
	for n > 0 && err == nil {
		want := int(min(n, mib))
		got := 0
		failed := raw.Read(func(fd uintptr) bool {
			if err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, min(want, int(512*kib))); err != nil {
				return true
			}
			got, _, err = unix.Recvfrom(int(fd), buffer[:want], unix.MSG_TRUNC)
			return err != unix.EAGAIN
		})
		if failed != nil {
			return failed
		}
		if err == nil && got == 0 {
			return io.ErrUnexpectedEOF
		}
		n -= int64(got)
		v.bytes.Add(int64(got))
	}
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1) })
	if failed != nil {
		return failed
	}
	return err
}

// invited is a process of guests.
type invited struct {
	*server // for what it costs
	stdout  *bufio.Reader
	stderr  bytes.Buffer
}

// invite starts guests, and waits until all are there.
func (b *bench) invite(ctx context.Context, g guests) (*invited, error) {
	spec, err := json.Marshal(g)
	if err != nil {
		return nil, err
	}
	i := &invited{server: &server{cmd: exec.CommandContext(ctx, b.self, "guests")}}
	i.cmd.Stdin, i.cmd.Stderr = bytes.NewReader(spec), &i.stderr
	out, err := i.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := i.cmd.Start(); err != nil {
		return nil, err
	}
	i.stdout = bufio.NewReader(out)
	if _, err := i.stdout.ReadString('\n'); err != nil {
		_ = i.cmd.Wait()
		return nil, fmt.Errorf("guests: %w: %s", err, &i.stderr)
	}
	return i, nil
}

// leave ends them.
func (i *invited) leave() (h heard, err error) {
	_ = i.cmd.Process.Signal(syscall.SIGTERM)
	err = json.NewDecoder(i.stdout).Decode(&h)
	if failed := i.cmd.Wait(); failed != nil {
		err = fmt.Errorf("guests: %w: %s", failed, &i.stderr)
	}
	return h, err
}
