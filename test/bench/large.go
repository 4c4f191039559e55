package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// larges measures whether a great number of images makes a site slow: the same
// program on a large store and on a small one.
func (b *bench) larges(ctx context.Context) error {
	crowd := filepath.Join(b.dir, "crowd")
	if _, err := run(ctx, "go", "build", "-o", crowd, "./crowd"); err != nil {
		return err
	}
	large, err := b.site(ctx, crowd, b.sizes.crowd)
	if err != nil {
		return err
	}
	small, err := b.site(ctx, crowd, b.sizes.few)
	if err != nil {
		return err
	}
	if b.keep == "" {
		defer os.RemoveAll(large.data)
		defer os.RemoveAll(small.data)
	}
	info, err := os.Stat(filepath.Join(large.data, "landfall.db"))
	if err != nil {
		return err
	}
	b.table.note("%d tags and manifests, %d blobs of 100 to 200 bytes, database of %s; reference: the same with %d tags",
		len(large.tags), 10*len(large.tags), size(info.Size()), len(small.tags))
	for _, step := range []func(context.Context) error{
		sites{b, large, small}.starts, sites{b, large, small}.gets, large.collects,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// site is a data folder with a crowd of small images.
type site struct {
	*bench
	data string
	tags []target
}

// site makes a data folder, or completes the one that an earlier run kept.
func (b *bench) site(ctx context.Context, crowd string, images int) (*site, error) {
	parent := b.dir
	if b.keep != "" {
		parent = b.keep
	}
	l := &site{bench: b, data: filepath.Join(parent, fmt.Sprintf("landfall-crowd-%d", images))}
	say("  making or completing %s", l.data)
	s, err := l.serve(ctx)
	if err != nil {
		return nil, err
	}
	s.stop()
	out, err := exec.CommandContext(ctx, crowd, l.data, fmt.Sprint(images)).Output()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		err = fmt.Errorf("%w: %s", err, failed.Stderr)
	}
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(out) {
		var t target
		if _, err := fmt.Sscan(string(line), &t.Path, &t.Size); err != nil {
			return nil, err
		}
		l.tags = append(l.tags, t)
	}
	return l, l.settle(false)
}

func (l *site) serve(ctx context.Context) (*server, error) {
	return serve(ctx, l.landfall, "serve", "--open", "--data", l.data, "--listen", "127.0.0.1:0")
}

// random is a number of tags, other ones each time.
func (l *site) random(n int) []target {
	var some []target
	for range n {
		some = append(some, l.tags[rand.IntN(len(l.tags))])
	}
	return some
}

// start is the time from exec to the first manifest.
func (l *site) start(ctx context.Context, cold bool) (sample, error) {
	if err := l.settle(cold); err != nil {
		return sample{}, err
	}
	start := time.Now()
	s, err := l.serve(ctx)
	if err != nil {
		return sample{}, err
	}
	defer s.stop()
	err = connections(ctx, s.host, 1, func(c *client) error { return c.fetch(l.random(1)[0]) })
	return sample{wall: time.Since(start), cpu: s.cpu(), peak: s.peak()}, err
}

// sites are the two that are compared.
type sites struct {
	*bench
	large, small *site
}

// starts measures starts after a clean end, and after a crash.
func (b sites) starts(ctx context.Context) error {
	for _, how := range []struct {
		name    string
		cold    bool
		crashed bool
		bound   float64
	}{
		{"start to first manifest, page cache warm", false, false, 1},
		{"start to first manifest, page cache cold", true, false, 1},
		{"start to first manifest after SIGKILL, warm", false, true, 0},
	} {
		on := func(l *site) side {
			return func() (sample, error) {
				if how.crashed {
					if err := l.crash(ctx); err != nil {
						return sample{}, err
					}
				}
				return l.start(ctx, how.cold)
			}
		}
		s, err := rounds(b.rounds, on(b.large), on(b.small))
		if err != nil {
			return err
		}
		b.table.figure(figure{name: how.name, landfall: memory(median(s[0], peak)) + " peak memory", reference: seconds(median(s[1], wall)),
			measured: median(s[0], wall), unit: seconds, bound: how.bound, cpu: fmt.Sprintf("%.2f / %.2f", median(s[0], cpu), median(s[1], cpu))})
	}
	return nil
}

// crash leaves the folder as a power cut would, but for what was not synced.
func (l *site) crash(ctx context.Context) error {
	s, err := l.serve(ctx)
	if err != nil {
		return err
	}
	err = s.cmd.Process.Signal(syscall.SIGKILL)
	s.stop()
	return err
}

// pullRate is how many requests a second a busy site answers to its hosts.
const pullRate = 500

// gets measures GETs of random tags, of which the large store's cache holds few.
// The databases are in the page cache, as they are after some days of service.
func (b sites) gets(ctx context.Context) error {
	if err := errors.Join(b.large.warm(), b.small.warm()); err != nil {
		return err
	}
	large, err := b.large.serve(ctx)
	if err != nil {
		return err
	}
	defer large.stop()
	small, err := b.small.serve(ctx)
	if err != nil {
		return err
	}
	defer small.stop()
	if err := errors.Join(large.rest(ctx), small.rest(ctx)); err != nil {
		return err
	}
	var took [2][]latencies
	n := pullRate * int(b.sizes.paced/time.Second)
	on := func(i int, l *site, s *server) side {
		return func() (sample, error) {
			all, err := b.paced(ctx, pace{Host: s.host, Rate: pullRate, Connections: 8, For: b.sizes.paced, Kinds: [][]target{l.random(n)}})
			took[i] = append(took[i], all...)
			return sample{}, err
		}
	}
	if _, err := rounds(1+b.rounds, on(0, b.large, large), on(1, b.small, small)); err != nil {
		return err
	}
	b.table.figure(slower(fmt.Sprintf("p99 of tag GETs, %d/s over 8 connections", pullRate), took[0][1:], took[1][1:], 0.99, 1.5))
	p50 := slower("  p50", took[0][1:], took[1][1:], 0.5, 0)
	p50.landfall, p50.reference = "", ""
	b.table.figure(p50)
	all := both{b.bench, large, small}
	if err := all.requests(ctx, pair{b.large.random(len(b.large.tags)), b.small.tags}, "tag GETs as fast as they go", 0); err != nil {
		return err
	}
	b.table.figure(figure{name: "peak memory, GETs", landfall: memory(float64(large.peak())), reference: memory(float64(small.peak())),
		measured: float64(large.peak()), unit: memory, bound: float64(256 * mib)})
	return nil
}

// warm reads the database into the page cache.
func (l *site) warm() error {
	f, err := os.Open(filepath.Join(l.data, "landfall.db"))
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return err
}

// collects measures collection with nothing to free, and with a tenth of all
// tags gone.
func (l *site) collects(ctx context.Context) error {
	dry := func() (sample, error) { return l.collect(ctx, "--dry-run", "--json") }
	cold := func() (sample, error) {
		if err := l.settle(true); err != nil {
			return sample{}, err
		}
		return dry()
	}
	if err := errors.Join(l.collected("content collect --dry-run, page cache warm", 30, dry),
		l.collected("content collect --dry-run, page cache cold", 0, cold), l.deletes(ctx)); err != nil {
		return err
	}
	for _, c := range [][]string{{"--dry-run", "--json"}, nil, {"--now"}} {
		name := strings.TrimSpace("content collect " + strings.Join(c, " "))
		err := l.collected("  then "+name, 0, func() (sample, error) { return l.collect(ctx, c...) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *site) collect(ctx context.Context, flags ...string) (sample, error) {
	return run(ctx, l.landfall, append([]string{"content", "collect", "--data", l.data}, flags...)...)
}

// collected tells the time and the memory of one collection.
func (l *site) collected(name string, bound float64, do side) error {
	n := 1
	if bound != 0 {
		n = l.rounds
	}
	s, err := rounds(n, do)
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		l.table.missing(name, err)
		return nil
	}
	if err != nil {
		return err
	}
	l.table.figure(figure{name: name, measured: median(s[0], wall), unit: seconds, bound: bound, cpu: fmt.Sprintf("%.2f", median(s[0], cpu))})
	l.table.figure(figure{name: "  peak memory", measured: median(s[0], peak), unit: memory, bound: float64(256 * mib)})
	return nil
}

// deletes removes every tenth tag over 8 connections.
func (l *site) deletes(ctx context.Context) error {
	s, err := l.serve(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	var next atomic.Int64
	start := time.Now()
	err = connections(ctx, s.host, 8, func(c *client) error {
		for {
			i := 10 * int(next.Add(1))
			if i > len(l.tags) {
				return nil
			}
			if _, err := c.ask("DELETE", l.tags[i-1].Path, nil, 0, octets, "202 Accepted"); err != nil {
				return err
			}
		}
	})
	n := float64(len(l.tags) / 10)
	perSecond := func(v float64) string { return fmt.Sprintf("%.0f/s", v) }
	l.table.figure(figure{name: fmt.Sprintf("DELETE of %.0f tags, 8 connections", n), landfall: seconds(time.Since(start).Seconds()),
		measured: n / time.Since(start).Seconds(), unit: perSecond, cpu: fmt.Sprintf("%.2f", s.cpu().Seconds())})
	return err
}
