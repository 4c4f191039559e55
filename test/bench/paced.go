package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pace is a steady stream of GETs, as many readers who know nothing of each
// other make it: a request is due at its time whether or not earlier ones were
// answered, and its latency counts from that time. So a server that stands
// still for a second is charged for all that were due in that second.
type pace struct {
	Host        string
	Rate        int // requests a second, all kinds in turn
	Connections int
	For         time.Duration // 0: until told to end
	Kinds       [][]target
}

// readers runs a pace, which it reads from standard input, and prints its
// latencies by kind. It is a program of its own to run at the highest priority:
// readers are other machines, and waiting for a processor of theirs is not the
// server's fault.
func readers(ctx context.Context, _ []string) error {
	var p pace
	if err := json.NewDecoder(os.Stdin).Decode(&p); err != nil {
		return err
	}
	took, err := p.run(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(took)
}

func (p pace) run(ctx context.Context) ([]latencies, error) {
	if p.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.For)
		defer cancel()
	}
	var next atomic.Int64
	var mu sync.Mutex // protects all
	all := make([]latencies, len(p.Kinds))
	start := time.Now()
	err := connections(context.WithoutCancel(ctx), p.Host, p.Connections, func(c *client) error {
		mine := make([]latencies, len(p.Kinds))
		for {
			n := int(next.Add(1) - 1)
			due := start.Add(time.Duration(n) * time.Second / time.Duration(p.Rate))
			if sleepUntil(due); ctx.Err() != nil {
				break
			}
			kind := n % len(p.Kinds)
			targets := p.Kinds[kind]
			if err := c.fetch(targets[n/len(p.Kinds)%len(targets)]); err != nil {
				return err
			}
			mine[kind] = append(mine[kind], time.Since(due))
		}
		mu.Lock()
		defer mu.Unlock()
		for kind := range mine {
			all[kind] = append(all[kind], mine[kind]...)
		}
		return nil
	})
	return all, err
}

// sleepUntil is exact to some 50 µs; time.Sleep may be a millisecond late.
func sleepUntil(due time.Time) {
	for left := time.Until(due); left > 0; left = time.Until(due) {
		t := unix.NsecToTimespec(int64(left))
		_ = unix.Nanosleep(&t, nil)
	}
}

// reading is a pace under way.
type reading struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

func (b *bench) read(ctx context.Context, p pace) (*reading, error) {
	spec, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	r := &reading{cmd: exec.CommandContext(ctx, "nice", "-n", "-20", b.self, "readers")}
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = bytes.NewReader(spec), &r.stdout, &r.stderr
	return r, r.cmd.Start()
}

// wait waits for the end of a pace that has one.
func (r *reading) wait() (all []latencies, err error) {
	if err := r.cmd.Wait(); err != nil {
		return nil, fmt.Errorf("readers: %w: %s", err, &r.stderr)
	}
	err = json.NewDecoder(io.Reader(&r.stdout)).Decode(&all)
	return all, err
}

// stop ends a pace that has none.
func (r *reading) stop() ([]latencies, error) {
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	return r.wait()
}

// paced runs a pace to its end.
func (b *bench) paced(ctx context.Context, p pace) ([]latencies, error) {
	r, err := b.read(ctx, p)
	if err != nil {
		return nil, err
	}
	return r.wait()
}

// latencies are those of one kind of request, in no order.
type latencies []time.Duration

// at is the latency that a share of the requests did not exceed, in seconds.
func (l latencies) at(share float64) float64 {
	sorted := slices.Sorted(slices.Values(l))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))].Seconds()
}

// medianAt is the median of several runs' latencies at a share.
func medianAt(runs []latencies, share float64) float64 {
	var values []float64
	for _, l := range runs {
		values = append(values, l.at(share))
	}
	return middle(values)
}

// latency prints p50, p99 and maximum, medians of runs.
func latency(runs []latencies) string {
	return fmt.Sprintf("p50 %s, p99 %s, max %s", milli(medianAt(runs, 0.5)), milli(medianAt(runs, 0.99)), milli(medianAt(runs, 1)))
}

func milli(seconds float64) string { return fmt.Sprintf("%.2f ms", 1e3*seconds) }

// slower is a figure: by how much a share's latency grew, round by round.
func slower(name string, now, reference []latencies, share, bound float64) figure {
	var ratios []float64
	for i := range now {
		ratios = append(ratios, now[i].at(share)/reference[i].at(share))
	}
	f := figure{name: name, landfall: latency(now), reference: latency(reference), bound: bound}
	f.measured, f.unit, f.spread = middle(ratios), ratio, spread(ratios)
	return f
}
