package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// imports measures `landfall bundle import` against the program reference.
func (b *bench) imports(ctx context.Context) error {
	s, c := b.sizes, &content{dir: filepath.Join(b.dir, "content")}
	say("  making %s of content", size(s.large.bytes()+s.medium.bytes()+s.little.bytes()))
	if err := c.mixed(s); err != nil {
		return err
	}
	bundle, err := b.bundle(ctx, c)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return err
	}
	i := importing{b, bundle, filepath.Join(b.dir, "data"), filepath.Join(b.dir, "reference")}
	b.table.note("%d large, %d medium and %d small blobs in %d images, %s of new bytes",
		s.large.count, s.medium.count, s.little.count, len(c.images), size(c.unique()))
	return errors.Join(i.first(ctx, c.unique()), os.RemoveAll(i.data), os.Remove(bundle))
}

// mixed makes the images of the import: one for each large layer, and the
// others spread over the applications.
func (c *content) mixed(s sizes) error {
	large, err := c.layers(s.large)
	if err != nil {
		return err
	}
	for i, l := range large {
		if err := c.image(fmt.Sprintf("bench/large%d:v1", i), l); err != nil {
			return err
		}
	}
	for i := range s.applications {
		medium, err := c.layers(layers{s.medium.count / s.applications, s.medium.size})
		if err != nil {
			return err
		}
		little, err := c.layers(layers{s.little.count / s.applications, s.little.size})
		if err != nil {
			return err
		}
		if err := c.image(fmt.Sprintf("bench/application%d:v1", i), append(medium, little...)...); err != nil {
			return err
		}
	}
	return nil
}

func (l layers) bytes() int64 { return int64(l.count) * l.size }

// bundle writes a content into a bundle with `landfall bundle create`.
func (b *bench) bundle(ctx context.Context, c *content) (file string, err error) {
	up, err := serve(ctx, b.self, "upstream", c.dir)
	if err != nil {
		return "", err
	}
	defer up.stop()
	list, err := b.list(ctx, c, up.host)
	if err != nil {
		return "", err
	}
	file = filepath.Join(b.dir, "bundle.tar")
	_, err = run(ctx, b.landfall, "bundle", "create", "-f", list, "-o", file, "--plain-http")
	return file, err
}

// list pushes a content's names to an upstream and writes them to a file.
func (b *bench) list(ctx context.Context, c *content, host string) (file string, err error) {
	if err := c.push(ctx, host); err != nil {
		return "", err
	}
	var names []byte
	for _, i := range c.images {
		names = fmt.Appendf(names, "%s/%s\n", host, i.name)
	}
	file = filepath.Join(b.dir, "list")
	return file, os.WriteFile(file, names, 0o644)
}

// upstreamHost is where the last list's names come from.
func (b *bench) upstreamHost() (string, error) {
	list, err := os.ReadFile(filepath.Join(b.dir, "list"))
	host, _, _ := strings.Cut(string(list), "/")
	return host, err
}

// importing is one bundle on its way into two places.
type importing struct {
	*bench
	bundle, data, reference string
}

func (i *importing) run(ctx context.Context) (sample, error) {
	return run(ctx, i.landfall, "bundle", "import", i.bundle, "--data", i.data)
}

// first measures imports into an empty store, with the bundle on the disk and
// with the bundle in memory, and the import of what is there already.
func (i *importing) first(ctx context.Context, unique int64) error {
	cold, err := i.rounds(ctx, true)
	if err != nil {
		return err
	}
	warm, err := i.rounds(ctx, false)
	if err != nil {
		return err
	}
	i.rate("rate, bundle on disk", unique, cold, 0.8)
	i.rate("rate, bundle in page cache", unique, warm, 0.8)
	i.table.figure(figure{
		name: "peak memory", landfall: memory(median(cold[0], peak)), reference: memory(median(cold[1], peak)),
		measured: max(median(cold[0], peak), median(warm[0], peak)), unit: memory, bound: float64(128 * mib),
	})
	return i.after(ctx, unique, median(cold[0], wall))
}

func (i *importing) rate(name string, unique int64, s [][]sample, bound float64) {
	perSecond := func(samples []sample) string {
		return fmt.Sprintf("%s/s, %.2f s", size(int64(float64(unique)*median(samples, speed))), median(samples, wall))
	}
	f := figure{name: name, landfall: perSecond(s[0]), reference: perSecond(s[1]), bound: bound, atLeast: true}
	i.table.figure(compared(f, s[0], s[1], speed))
}

// rounds runs both sides into nothing.
func (i *importing) rounds(ctx context.Context, cold bool) ([][]sample, error) {
	landfall := func() (sample, error) {
		if err := errors.Join(os.RemoveAll(i.data), i.settle(cold)); err != nil {
			return sample{}, err
		}
		return i.run(ctx)
	}
	reference := func() (sample, error) {
		defer os.RemoveAll(i.reference)
		if err := i.settle(cold); err != nil {
			return sample{}, err
		}
		return run(ctx, i.self, "reference", i.bundle, i.reference)
	}
	return rounds(i.bench.rounds, landfall, reference)
}

// after measures one more first import for its disk, then the same again.
func (i *importing) after(ctx context.Context, unique int64, first float64) error {
	if err := errors.Join(os.RemoveAll(i.data), i.settle(true)); err != nil {
		return err
	}
	most := watch(i.dir)
	_, err := i.run(ctx)
	peak := most()
	if err != nil {
		return err
	}
	used, err := usage(i.data)
	if err != nil {
		return err
	}
	i.table.figure(figure{
		name: "extra disk / new bytes", landfall: size(used), reference: size(unique),
		measured: float64(used) / float64(unique), unit: ratio, bound: 1.02,
	})
	i.table.figure(figure{
		name: "  at its highest while importing", landfall: size(peak), reference: size(unique),
		measured: float64(peak) / float64(unique), unit: ratio,
	})
	return i.again(ctx, first)
}

// again imports what is there, with the bundle not in the page cache: a medium
// that is plugged in a second time.
func (i *importing) again(ctx context.Context, first float64) error {
	samples, err := rounds(i.bench.rounds, func() (sample, error) {
		if err := errors.Join(i.settle(false), evict(i.bundle)); err != nil {
			return sample{}, err
		}
		return i.run(ctx)
	})
	if err != nil {
		return err
	}
	s, read := samples[0], func(s sample) float64 { return float64(s.read) }
	took := median(s, wall)
	i.table.figure(figure{
		name: "import again / first", landfall: fmt.Sprintf("%.3f s", took), reference: fmt.Sprintf("%.2f s", first),
		measured: took / first, unit: percent, bound: 0.01, cpu: fmt.Sprintf("%.2f", median(s, cpu)),
	})
	disk := median(s, func(s sample) float64 { return float64(s.disk) })
	i.table.figure(figure{
		name: "  bytes read (no blob: index, manifests, database)", landfall: memory(disk) + " from disk",
		measured: median(s, read), unit: memory, bound: float64(16 * mib),
	})
	return nil
}

// usage is the disk space that a folder takes.
func usage(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return err
	})
	return bytes, err
}

// watch follows how much of the file system is in use; the function returned
// ends it and tells by how much that grew at most. Other users of the disk
// are counted too.
func watch(dir string) func() int64 {
	before, most := used(dir), int64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			most = max(most, used(dir)-before)
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	return func() int64 { close(stop); <-stopped; return most }
}

func used(dir string) int64 {
	var fs syscall.Statfs_t
	_ = syscall.Statfs(dir, &fs)
	return int64(fs.Blocks-fs.Bfree) * fs.Bsize
}
