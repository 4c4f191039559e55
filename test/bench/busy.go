package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// busies measures whether hosts that pull notice an import: the latency of
// reads at a steady rate, while nothing else happens and while a bundle is
// imported through the appliance that answers them.
func (b *bench) busies(ctx context.Context) error {
	y := &busy{bench: b, data: filepath.Join(b.dir, "data"), base: filepath.Join(b.dir, "base.tar")}
	defer os.RemoveAll(y.data)
	defer os.Remove(y.base)
	if err := y.prepare(ctx); err != nil {
		return err
	}
	defer os.Remove(y.bundle)
	s, err := rounds(b.rounds, y.withReaders(ctx), y.alone(ctx))
	if err != nil {
		return err
	}
	y.report(s)
	return nil
}

// busy is a site with content that is read, and a bundle of other content.
type busy struct {
	*bench
	data, base, bundle string
	bytes              int64      // of the bundle's content
	kinds              [][]target // blobs, manifests

	idle, loaded [2][]latencies  // by kind, of each round
	shares       [2][]processors // of the imports with and without readers
	server       [2][]float64    // seconds of the server's processor time, likewise
}

var kindNames = [2]string{"64 KiB blob", "manifest by tag"}

// prepare makes both bundles.
func (y *busy) prepare(ctx context.Context) error {
	say("  making %s of content to import", size(y.sizes.large.bytes()+y.sizes.medium.bytes()+y.sizes.little.bytes()))
	c := &content{dir: filepath.Join(y.dir, "content")}
	defer os.RemoveAll(c.dir)
	tiny, err := c.layers(y.sizes.tiny)
	if err != nil {
		return err
	}
	if err := errors.Join(c.image("bench/tiny:v1", tiny...), c.image("bench/common:v1", tiny[:8]...)); err != nil {
		return err
	}
	bundle, err := y.pack(ctx, c)
	if err != nil {
		return err
	}
	if err := errors.Join(os.Rename(bundle, y.base), os.RemoveAll(c.dir)); err != nil {
		return err
	}
	c.images = nil
	if err := c.mixed(y.sizes); err != nil {
		return err
	}
	y.bytes = c.unique()
	y.bundle, err = y.bench.bundle(ctx, c)
	return err
}

// pack makes the bundle of what is read, and notes under which names the site
// will serve it.
func (y *busy) pack(ctx context.Context, c *content) (file string, err error) {
	if file, err = y.bench.bundle(ctx, c); err != nil {
		return "", err
	}
	host, err := y.upstreamHost()
	if err != nil {
		return "", err
	}
	repository := sitePath(host) + "/bench/"
	common := target{"/v2/" + repository + "common/manifests/v1", int64(len(c.images[1].manifest))}
	y.kinds = [][]target{blobs(repository+"tiny", c.images[0].layers), {common}}
	return file, nil
}

// round starts a server on the content that is read, runs do, and ends it.
func (y *busy) round(ctx context.Context, do func(*server) (sample, error)) side {
	return func() (sample, error) {
		if err := y.forget(ctx); err != nil {
			return sample{}, err
		}
		if _, err := run(ctx, y.landfall, "bundle", "import", y.base, "--data", y.data); err != nil {
			return sample{}, err
		}
		s, err := serve(ctx, y.landfall, "serve", "--open", "--data", y.data, "--listen", "127.0.0.1:0")
		if err != nil {
			return sample{}, err
		}
		defer s.stop()
		return do(s)
	}
}

// forgotten is how long ext4 without a journal leaves the inodes of removed
// files alone. Until then each new file costs up to 1 ms of looking for another
// one, which no site pays that did not just remove thousands of files.
const forgotten = 40 * time.Second

// forget removes what the last round left, and lets the file system forget it.
func (y *busy) forget(ctx context.Context) error {
	if _, err := os.Stat(y.data); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := os.RemoveAll(y.data); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-time.After(forgotten):
	}
	return ctx.Err()
}

// withReaders reads while the site is idle, then while it imports.
func (y *busy) withReaders(ctx context.Context) side {
	return y.round(ctx, func(s *server) (sample, error) {
		p := pace{Host: s.host, Rate: 2 * readRate, Connections: 8, For: time.Second, Kinds: y.kinds}
		if _, err := y.paced(ctx, p); err != nil { // fills caches
			return sample{}, err
		}
		if err := y.settle(false); err != nil {
			return sample{}, err
		}
		p.For = y.sizes.paced
		idle, err := y.paced(ctx, p)
		if err != nil {
			return sample{}, err
		}
		p.For = 0
		r, err := y.read(ctx, p)
		if err != nil {
			return sample{}, err
		}
		did, err := y.importing(ctx, s, 0)
		loaded, readErr := r.stop()
		if err := errors.Join(err, readErr); err != nil {
			return did, err
		}
		for kind := range kindNames {
			y.idle[kind] = append(y.idle[kind], idle[kind])
			y.loaded[kind] = append(y.loaded[kind], loaded[kind])
		}
		return did, nil
	})
}

// readRate is how many requests of each kind come in a second.
const readRate = 200

// alone imports without readers.
func (y *busy) alone(ctx context.Context) side {
	return y.round(ctx, func(s *server) (sample, error) {
		if err := y.settle(false); err != nil {
			return sample{}, err
		}
		return y.importing(ctx, s, 1)
	})
}

// importing runs the import and notes, at index i, who used the processors.
func (y *busy) importing(ctx context.Context, s *server, i int) (sample, error) {
	before, used := machine(), s.cpu()
	did, err := run(ctx, y.landfall, "bundle", "import", y.bundle, "--data", y.data)
	y.shares[i] = append(y.shares[i], machine().since(before))
	y.server[i] = append(y.server[i], (s.cpu() - used).Seconds())
	return did, err
}

func (y *busy) report(s [][]sample) {
	y.table.note("%d blob and %d manifest GETs a second over 8 connections, while nothing else happens (reference) and during the import of %s through the appliance",
		readRate, readRate, size(y.bytes))
	for kind, name := range kindNames {
		y.table.figure(slower("p99 of GETs while importing, "+name, y.loaded[kind], y.idle[kind], 0.99, 2))
		p50 := slower("  p50", y.loaded[kind], y.idle[kind], 0.5, 0)
		p50.landfall, p50.reference = "", ""
		y.table.figure(p50)
	}
	perSecond := func(samples []sample) string {
		return fmt.Sprintf("%s/s, %s", size(int64(float64(y.bytes)*median(samples, speed))), seconds(median(samples, wall)))
	}
	f := figure{name: "rate of the import, against without readers", landfall: perSecond(s[0]), reference: perSecond(s[1])}
	y.table.figure(compared(f, s[0], s[1], speed))
	y.table.note("processors during the import, with readers: %s; server %.2f s, importing command %.2f s", y.shares[0][0], middle(y.server[0]), median(s[0], cpu))
	y.table.note("and without: %s; server %.2f s, importing command %.2f s", y.shares[1][0], middle(y.server[1]), median(s[1], cpu))
}

// processors is what all processors of the machine did: the first line of
// proc_stat(5), in ticks.
type processors struct{ user, system, idle, waiting, stolen int64 }

func machine() (p processors) {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(b), "\n")
	f := strings.Fields(line)
	at := func(i int) int64 { n, _ := strconv.ParseInt(f[i], 10, 64); return n }
	return processors{at(1) + at(2), at(3) + at(6) + at(7), at(4), at(5), at(8)}
}

func (p processors) since(q processors) processors {
	return processors{p.user - q.user, p.system - q.system, p.idle - q.idle, p.waiting - q.waiting, p.stolen - q.stolen}
}

func (p processors) String() string {
	all := max(1, p.user+p.system+p.idle+p.waiting+p.stolen)
	return fmt.Sprintf("user %d %%, system %d %%, idle %d %%, waiting for the disk %d %%, stolen %d %%",
		100*p.user/all, 100*p.system/all, 100*p.idle/all, 100*p.waiting/all, 100*p.stolen/all)
}
