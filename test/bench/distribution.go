package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// distributions measures `landfall serve` against distribution's own registry
// over its filesystem driver.
func (b *bench) distributions(ctx context.Context) error {
	r := rivals{b, &content{dir: filepath.Join(b.dir, "content")}, filepath.Join(b.dir, "rival")}
	defer os.RemoveAll(r.content.dir)
	if _, err := run(ctx, "go", "build", "-o", r.rival, "./rival"); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{r.reads, r.syncs, r.pushesWhole, r.pushesPatched} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// rivals is the two registries, and what is pushed to them.
type rivals struct {
	*bench
	content *content
	rival   string
}

// with runs do on both, each on an empty folder, started through wrap.
func (r rivals) with(ctx context.Context, wrap func(name string) []string, do func(both) error) error {
	dir := filepath.Join(r.dir, "registries")
	defer os.RemoveAll(dir)
	start := func(name string, command ...string) (*server, error) {
		command = append(wrap(name), command...)
		return serve(ctx, command[0], command[1:]...)
	}
	landfall, err := start("landfall", r.landfall, "serve", "--open", "--data", filepath.Join(dir, "landfall"), "--listen", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer landfall.stop()
	rival, err := start("rival", r.rival, filepath.Join(dir, "rival"))
	if err != nil {
		return err
	}
	defer rival.stop()
	return do(both{r.bench, landfall, rival})
}

func bare(string) []string { return nil }

// reads compares GETs of what was pushed to both.
func (r rivals) reads(ctx context.Context) error {
	say("  making and pushing %s and %d × %s", size(r.sizes.big), r.sizes.tiny.count, size(r.sizes.tiny.size))
	if err := r.content.pulled(r.sizes); err != nil {
		return err
	}
	return r.with(ctx, bare, func(b both) error {
		if err := r.pushAll(ctx, b); err != nil {
			return err
		}
		big, tiny, common := r.content.images[0], r.content.images[1], r.content.images[2]
		manifest := []target{{"/v2/bench/common/manifests/v1", int64(len(common.manifest))}}
		return errors.Join(
			b.requests(ctx, same(blobs("bench/tiny", tiny.layers)), size(r.sizes.tiny.size)+" blobs", 8),
			b.requests(ctx, same(manifest), "manifest by tag", 2),
			b.bulk(ctx, same(blobs("bench/big", big.layers)), 0.6))
	})
}

// pushAll pushes the images to both, each into repositories of its own.
func (r rivals) pushAll(ctx context.Context, b both) error {
	return errors.Join(r.content.pushImages(ctx, b.landfall.host), r.content.pushImages(ctx, b.reference.host))
}

func blobs(repository string, layers []layer) (targets []target) {
	for _, l := range layers {
		targets = append(targets, target{"/v2/" + repository + "/blobs/" + l.Digest.String(), l.Size})
	}
	return targets
}

// same is targets that have the same path on both servers.
func same(targets []target) pair { return pair{targets, targets} }

// syncs compares how often the servers wait for the disk in the push of one
// image. Write-back that is only started (sync_file_range) is not counted.
func (r rivals) syncs(ctx context.Context) error {
	if _, err := exec.LookPath("strace"); err != nil {
		return fmt.Errorf("%w: apt-get install strace", err)
	}
	trace := func(name string) string { return filepath.Join(r.dir, name+".trace") }
	strace := func(name string) []string {
		return []string{"strace", "-D", "-f", "-e", "trace=fsync,fdatasync,sync,syncfs,msync", "-o", trace(name)}
	}
	defer os.Remove(trace("landfall"))
	defer os.Remove(trace("rival"))
	const layersOfImage = 20
	return r.with(ctx, strace, func(b both) error {
		s, err := b.rounds(func(s *server) (sample, error) {
			file := trace("rival")
			if s == b.landfall {
				file = trace("landfall")
			}
			if err := r.fresh(layers{layersOfImage, mib}); err != nil {
				return sample{}, err
			}
			before, err := calls(file)
			if err != nil {
				return sample{}, err
			}
			if err := r.content.pushImages(ctx, s.host); err != nil {
				return sample{}, err
			}
			after, err := calls(file)
			return sample{syncs: after - before}, err
		})
		if err != nil {
			return err
		}
		count := func(s sample) float64 { return float64(s.syncs) }
		times := func(s []sample) string { return fmt.Sprintf("%.0f", median(s, count)) }
		f := figure{name: fmt.Sprintf("syncs, push of %d layers, config and manifest", layersOfImage), landfall: times(s[0]), reference: times(s[1]), bound: 0.15}
		f = compared(f, s[0], s[1], count)
		f.cpu = "" // of the server and of being traced
		b.table.figure(f)
		return nil
	})
}

// fresh makes one image of layers that nobody has.
func (r rivals) fresh(l layers) error {
	r.content.images = nil
	made, err := r.content.layers(l)
	if err != nil {
		return err
	}
	return r.content.image(fmt.Sprintf("bench/fresh%d:v1", r.content.made), made...)
}

// calls counts the calls in a trace, once the tracer has written them all.
func calls(trace string) (int64, error) {
	time.Sleep(300 * time.Millisecond)
	b, err := os.ReadFile(trace)
	lines := bytes.Count(b, []byte("sync(")) + bytes.Count(b, []byte("syncfs("))
	return int64(lines), err
}

func (r rivals) pushesWhole(ctx context.Context) error {
	return r.pushes(ctx, "POST and PUT", pushWhole)
}

func (r rivals) pushesPatched(ctx context.Context) error {
	return r.pushes(ctx, "POST, PATCH and PUT", pushPatched)
}

// pushesInRow is how many blobs one side pushes in its turn: memory that a
// virtual machine touches for the first time makes a single push erratic.
const pushesInRow = 2

// pushes compares the time of pushing a large blob that nobody has.
func (r rivals) pushes(ctx context.Context, name string, how pushing) error {
	return r.with(ctx, bare, func(b both) error {
		s, err := b.rounds(func(s *server) (did sample, err error) {
			for range pushesInRow {
				took, err := r.push(ctx, s, how)
				if err != nil {
					return did, err
				}
				did.wall += took / pushesInRow
			}
			return did, nil
		})
		if err != nil {
			return err
		}
		f := figure{name: "push of " + size(r.sizes.push) + ", " + name, landfall: seconds(median(s[0], wall)), reference: seconds(median(s[1], wall)), bound: 0.8}
		b.table.figure(compared(f, s[0], s[1], wall))
		return nil
	})
}

// push makes a blob and pushes it; only the push is timed.
func (r rivals) push(ctx context.Context, s *server, how pushing) (took time.Duration, err error) {
	r.content.made++
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], r.content.made)
	d, err := r.content.blob(types.OCILayer, func(w io.Writer) error {
		_, err := io.CopyN(w, rand.NewChaCha8(key), r.sizes.push)
		return err
	})
	if err != nil {
		return 0, err
	}
	defer os.Remove(r.content.path(d.Digest))
	err = errors.Join(r.settle(false), connections(ctx, s.host, 1, func(c *client) error {
		start := time.Now()
		defer func() { took = time.Since(start) }()
		return r.content.pushFile(c, "bench/push", v1.Descriptor{Digest: d.Digest, Size: d.Size}, how)
	}))
	return took, err
}
