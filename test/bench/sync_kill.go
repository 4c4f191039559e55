package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"syscall"
	"time"
)

// killed kills Landfall at moments spread over the fetching, lets it finish, and
// tells how much it had to fetch in all.
func (s *source) killed(ctx context.Context) error {
	title := fmt.Sprintf("killed %d times, %s", s.mirror.kills, linkName(far))
	d, shut, err := s.open(ctx, "killed")
	if err != nil {
		return err
	}
	defer shut()
	if err := s.killing(ctx, title, d); err != nil {
		s.table.missing(title, err)
	}
	return ctx.Err()
}

func (s *source) killing(ctx context.Context, title string, d destination) error {
	if err := errors.Join(s.settle(false), s.line.set(ctx, far)); err != nil {
		return err
	}
	unique, most := s.content.blobBytes(), int64(0)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range s.mirror.kills {
		at := int64((float64(i) + random.Float64()) / float64(s.mirror.kills) * 0.98 * float64(unique))
		peak, err := s.killAt(ctx, d, at)
		if err != nil {
			return fmt.Errorf("kill %d at %s: %w", i+1, size(at), err)
		}
		most = max(most, peak)
	}
	last, err := s.storeTool().run(ctx, d)
	if err != nil {
		return err
	}
	counts, err := s.line.counts(ctx)
	if err := errors.Join(err, s.stores(ctx, d)); err != nil {
		return err
	}
	share := float64(counts.BlobBytes) / float64(unique)
	s.table.figure(figure{
		name: title + ": blob bytes fetched / unique; all images are whole", landfall: size(counts.BlobBytes), reference: size(unique),
		measured: share, unit: precise, bound: 1.01,
	})
	s.table.figure(figure{name: title + ": highest peak memory", measured: float64(max(most, last.peak)), unit: memory, bound: float64(128 * mib)})
	return nil
}

// killAt starts Landfall, kills it once so many bytes of blobs have come over
// the line in all, and tells its peak memory.
func (s *source) killAt(ctx context.Context, d destination, at int64) (peak int64, err error) {
	var stderr bytes.Buffer
	c := exec.CommandContext(ctx, s.landfall, "sync", "run", "-f", s.file("mirror.yaml"), "--data", d.data)
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	go func() {
		_ = c.Wait() // how it ends is known
		close(ended)
	}()
	err = s.until(ctx, at, ended)
	_ = c.Process.Kill()
	<-ended
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, &stderr)
	}
	return c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss * kib, nil
}

var errEnded = errors.New("it ended by itself")

// until waits for so many bytes of blobs; the end of what fetches them is an
// error.
func (s *source) until(ctx context.Context, at int64, ended <-chan struct{}) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		counts, err := s.line.counts(ctx)
		if err != nil || counts.BlobBytes >= at {
			return err
		}
		select {
		case <-ended:
			return errEnded
		case <-tick.C:
		}
	}
}
