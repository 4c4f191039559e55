package main

import (
	"context"
	"fmt"
	"time"
)

// both is two servers that are compared, both up at once and asked in turn.
type both struct {
	*bench
	landfall, reference *server
}

// of picks the targets of one of the two servers.
func (b both) of(p pair, s *server) []target {
	if s == b.landfall {
		return p.landfall
	}
	return p.reference
}

// rounds measures the same work on one server and on the other; the first
// round fills the page cache and is not counted. Work that has a part that
// does not count tells its time itself.
func (b both) rounds(work func(*server) (sample, error)) ([][]sample, error) {
	on := func(s *server) side {
		return func() (sample, error) {
			before, start := s.cpu(), time.Now()
			did, err := work(s)
			did.cpu = s.cpu() - before
			if did.wall == 0 {
				did.wall = time.Since(start)
			}
			return did, err
		}
	}
	samples, err := rounds(1+b.bench.rounds, on(b.landfall), on(b.reference))
	if err != nil {
		return nil, err
	}
	return [][]sample{samples[0][1:], samples[1][1:]}, nil
}

// bulk compares the processor time of sending the big blob.
func (b both) bulk(ctx context.Context, p pair, bound float64) error {
	s, err := b.rounds(func(s *server) (did sample, err error) {
		return did, connections(ctx, s.host, 1, func(c *client) error {
			for range b.sizes.bigGets {
				if err := c.fetch(b.of(p, s)[0]); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	each := func(s []sample) string {
		n := float64(b.sizes.bigGets)
		return fmt.Sprintf("%.3f s CPU, %.2f s", median(s, cpu)/n, median(s, wall)/n)
	}
	f := figure{name: "server CPU, GET of " + size(b.sizes.big), landfall: each(s[0]), reference: each(s[1]), bound: bound}
	b.table.figure(compared(f, s[0], s[1], cpu))
	return nil
}

// requests compares requests per second over 8 connections.
func (b both) requests(ctx context.Context, p pair, what string, bound float64) error {
	s, err := b.rounds(func(s *server) (did sample, err error) {
		n, err := load(ctx, s.host, b.of(p, s), 8, b.sizes.load)
		return sample{rate: float64(n) / b.sizes.load.Seconds()}, err
	})
	if err != nil {
		return err
	}
	perSecond := func(s []sample) string { return fmt.Sprintf("%.0f/s", median(s, rate)) }
	f := figure{name: "requests/s, " + what, landfall: perSecond(s[0]), reference: perSecond(s[1]), bound: bound, atLeast: true}
	b.table.figure(compared(f, s[0], s[1], rate))
	perRequest := func(s sample) float64 { return s.cpu.Seconds() / (s.rate * s.wall.Seconds()) }
	micro := func(s []sample) string { return fmt.Sprintf("%.0f µs", 1e6*median(s, perRequest)) }
	f = figure{name: "  server CPU per request", landfall: micro(s[0]), reference: micro(s[1])}
	b.table.figure(compared(f, s[0], s[1], perRequest))
	return nil
}
