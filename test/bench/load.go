package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// target is something to GET, and how many bytes the answer has to have.
type target struct {
	Path string
	Size int64
}

// client is one kept-alive connection. It speaks just enough HTTP/1.1 to cost
// far less than the servers that it measures.
type client struct {
	net.Conn
	r    *bufio.Reader
	host string
}

func dial(ctx context.Context, host string) (*client, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	return &client{c, bufio.NewReaderSize(c, int(256*kib)), host}, nil
}

// get asks for t and leaves the body to be read.
func (c *client) get(t target) error {
	const accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*"
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: %s\r\n\r\n", t.Path, c.host, accept); err != nil {
		return err
	}
	a, err := c.answer()
	if err != nil {
		return fmt.Errorf("%s: %w", t.Path, err)
	}
	if a.status != "200 OK" || a.length != t.Size {
		return fmt.Errorf("%s: %s, %d bytes instead of %d", t.Path, a.status, a.length, t.Size)
	}
	return nil
}

// answer is what the head of an answer says.
type answer struct {
	status   string // 200 OK
	length   int64  // -1: not told
	location string
}

func (c *client) answer() (answer, error) {
	a := answer{length: -1}
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return a, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return a, nil
		}
		if a.status == "" {
			a.status = strings.TrimPrefix(string(line), "HTTP/1.1 ")
		}
		switch key, value, _ := bytes.Cut(line, []byte(": ")); {
		case bytes.EqualFold(key, []byte("Content-Length")):
			a.length, _ = strconv.ParseInt(string(value), 10, 64)
		case bytes.EqualFold(key, []byte("Location")):
			a.location = string(value)
		}
	}
}

// fetch asks for t and throws the body away.
func (c *client) fetch(t target) error {
	if err := c.get(t); err != nil {
		return err
	}
	for left := t.Size; left > 0; {
		n, err := c.r.Discard(int(min(left, gib)))
		left -= int64(n)
		if err != nil {
			return fmt.Errorf("%s: %w", t.Path, err)
		}
	}
	return nil
}

// load asks for the targets in turn over n connections for a time, and tells
// how many answers came.
func load(ctx context.Context, host string, targets []target, n int, d time.Duration) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var answers, next atomic.Int64
	errs := connections(context.WithoutCancel(ctx), host, n, func(c *client) error {
		for ctx.Err() == nil {
			t := targets[int(next.Add(1))%len(targets)]
			if err := c.fetch(t); err != nil {
				return err
			}
			answers.Add(1)
		}
		return nil
	})
	return answers.Load(), errs
}

// connections runs do over n connections at once and returns one error of
// theirs.
func connections(ctx context.Context, host string, n int, do func(*client) error) error {
	errs := make(chan error, n)
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			c, err := dial(ctx, host)
			if err == nil {
				defer c.Close()
				err = do(c)
			}
			errs <- err
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// trickle reads t over n connections at 64 KiB a second each.
func trickle(ctx context.Context, host string, t target, n int, d time.Duration) error {
	return connections(ctx, host, n, func(c *client) error {
		if err := c.get(t); err != nil {
			return err
		}
		const piece = 16 * kib
		tick := time.NewTicker(time.Second * time.Duration(piece) / time.Duration(64*kib))
		defer tick.Stop()
		for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
			if _, err := io.CopyN(io.Discard, c.r, piece); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}
