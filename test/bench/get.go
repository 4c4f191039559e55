package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// gets measures `landfall serve` against a plain net/http file server over
// the same bytes.
func (b *bench) gets(ctx context.Context) error {
	s, c := b.sizes, &content{dir: filepath.Join(b.dir, "content")}
	defer os.RemoveAll(c.dir)
	say("  making %s and %d × %s", size(s.big), s.tiny.count, size(s.tiny.size))
	if err := c.pulled(s); err != nil {
		return err
	}
	g := &getting{bench: b, data: filepath.Join(b.dir, "data"), files: filepath.Join(b.dir, "files")}
	defer os.RemoveAll(g.data)
	defer os.RemoveAll(g.files)
	if err := g.fill(ctx, c); err != nil {
		return err
	}
	if err := g.throughput(ctx); err != nil {
		return err
	}
	return g.slow(ctx)
}

// pulled makes the images: one big layer, many tiny ones, and a common one for
// the manifest.
func (c *content) pulled(s sizes) error {
	big, err := c.layer(s.big)
	if err != nil {
		return err
	}
	tiny, err := c.layers(s.tiny)
	if err != nil {
		return err
	}
	return errors.Join(c.image("bench/big:v1", big), c.image("bench/tiny:v1", tiny...), c.image("bench/common:v1", tiny[:8]...))
}

// getting is the same bytes in a store and in a folder of files, and where to
// find them on each.
type getting struct {
	*bench
	data, files         string
	big, tiny, manifest pair
}

// pair is a list of targets on both servers.
type pair struct{ landfall, files []target }

// fill imports the content, and moves its files to where the file server
// finds them.
func (g *getting) fill(ctx context.Context, c *content) error {
	bundle, err := g.bundle(ctx, c)
	if err != nil {
		return err
	}
	defer os.Remove(bundle)
	if _, err := run(ctx, g.landfall, "bundle", "import", bundle, "--data", g.data); err != nil {
		return err
	}
	if err := os.MkdirAll(g.files, 0o755); err != nil {
		return err
	}
	list, err := os.ReadFile(filepath.Join(g.dir, "list"))
	if err != nil {
		return err
	}
	host, _, _ := strings.Cut(string(list), "/")
	repository := func(i image) string {
		path, _, _ := strings.Cut(i.name, ":")
		return "/v2/" + strings.Replace(host, ":", "_", 1) + "/" + path
	}
	big, tiny, common := c.images[0], c.images[1], c.images[2]
	if err := errors.Join(g.blobs(&g.big, c, repository(big), big.layers), g.blobs(&g.tiny, c, repository(tiny), tiny.layers)); err != nil {
		return err
	}
	n := int64(len(common.manifest))
	g.manifest = pair{[]target{{repository(common) + "/manifests/v1", n}}, []target{{"/manifest.json", n}}}
	return os.WriteFile(filepath.Join(g.files, "manifest.json"), common.manifest, 0o644)
}

func (g *getting) blobs(p *pair, c *content, repository string, layers []layer) error {
	for _, l := range layers {
		p.landfall = append(p.landfall, target{repository + "/blobs/" + l.Digest.String(), l.Size})
		p.files = append(p.files, target{"/" + l.Digest.Hex + ".blob", l.Size})
		if err := os.Rename(c.path(l.Digest), filepath.Join(g.files, l.Digest.Hex+".blob")); err != nil {
			return err
		}
	}
	return nil
}

func (g *getting) serve(ctx context.Context) (*server, error) {
	return serve(ctx, g.landfall, "serve", "--data", g.data, "--listen", "127.0.0.1:0")
}

// throughput compares the two servers, both up at once and asked in turn.
func (g *getting) throughput(ctx context.Context) error {
	landfall, err := g.serve(ctx)
	if err != nil {
		return err
	}
	defer landfall.stop()
	files, err := serve(ctx, g.self, "files", g.files)
	if err != nil {
		return err
	}
	defer files.stop()
	b := both{landfall, files, g.bench}
	return errors.Join(g.large(ctx, b), b.busy(ctx, g.tiny, size(g.sizes.tiny.size)+" blobs", 0.8), b.busy(ctx, g.manifest, "manifest by tag", 1))
}

// both is the two servers compared.
type both struct {
	landfall, files *server
	*bench
}

// rounds measures the same work on one server and on the other; the first
// round fills the page cache and is not counted.
func (b both) rounds(work func(*server) (sample, error)) ([][]sample, error) {
	on := func(s *server) side {
		return func() (sample, error) {
			before, start := s.cpu(), time.Now()
			did, err := work(s)
			did.wall, did.cpu = time.Since(start), s.cpu()-before
			return did, err
		}
	}
	samples, err := rounds(1+b.bench.rounds, on(b.landfall), on(b.files))
	if err != nil {
		return nil, err
	}
	return [][]sample{samples[0][1:], samples[1][1:]}, nil
}

// large compares the processor time of sending the big blob.
func (g *getting) large(ctx context.Context, b both) error {
	s, err := b.rounds(func(s *server) (did sample, err error) {
		t := g.big.files[0]
		if s == b.landfall {
			t = g.big.landfall[0]
		}
		return did, connections(ctx, s.host, 1, func(c *client) error {
			for range g.sizes.bigGets {
				if err := c.fetch(t); err != nil {
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
		n := float64(g.sizes.bigGets)
		return fmt.Sprintf("%.3f s CPU, %.2f s", median(s, cpu)/n, median(s, wall)/n)
	}
	f := figure{name: "server CPU, GET of " + size(g.sizes.big), landfall: each(s[0]), reference: each(s[1]), bound: 1.15}
	g.table.figure(compared(f, s[0], s[1], cpu))
	return nil
}

// busy compares requests per second over 8 connections.
func (b both) busy(ctx context.Context, p pair, what string, bound float64) error {
	s, err := b.rounds(func(s *server) (did sample, err error) {
		targets := p.files
		if s == b.landfall {
			targets = p.landfall
		}
		n, err := load(ctx, s.host, targets, 8, b.sizes.load)
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

// slow measures the memory of a new server with many slow readers.
func (g *getting) slow(ctx context.Context) error {
	s, err := g.serve(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	idle := s.peak()
	if err := trickle(ctx, s.host, g.big.landfall[0], g.sizes.readers, g.sizes.patience); err != nil {
		return err
	}
	g.table.figure(figure{
		name: fmt.Sprintf("peak memory, %d slow readers", g.sizes.readers), landfall: size(idle) + " idle",
		measured: float64(s.peak()), unit: memory, bound: float64(64 * mib),
	})
	return nil
}
