package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
type pair struct{ landfall, reference []target }

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
	host, err := g.upstreamHost()
	if err != nil {
		return err
	}
	repository := func(i image) string {
		path, _, _ := strings.Cut(i.name, ":")
		return "/v2/" + sitePath(host) + "/" + path
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
		p.reference = append(p.reference, target{"/" + l.Digest.Hex + ".blob", l.Size})
		if err := os.Rename(c.path(l.Digest), filepath.Join(g.files, l.Digest.Hex+".blob")); err != nil {
			return err
		}
	}
	return nil
}

func (g *getting) serve(ctx context.Context) (*server, error) {
	return serve(ctx, g.landfall, "serve", "--open", "--data", g.data, "--listen", "127.0.0.1:0")
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
	b := both{g.bench, landfall, files}
	return errors.Join(b.bulk(ctx, g.big, 1.15), b.requests(ctx, g.tiny, size(g.sizes.tiny.size)+" blobs", 0.8),
		b.requests(ctx, g.manifest, "manifest by tag", 1))
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
