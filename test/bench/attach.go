package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// attaches measures how soon hosts can pull from a large bundle, and how fast
// while its content is brought in behind.
func (b *bench) attaches(ctx context.Context) error {
	a := &attached{bench: b, data: filepath.Join(b.dir, "data"), files: filepath.Join(b.dir, "files")}
	defer os.RemoveAll(a.data)
	defer os.RemoveAll(a.files)
	if err := a.prepare(ctx); err != nil {
		return err
	}
	defer os.Remove(a.bundle)
	for range b.rounds {
		if err := a.round(ctx); err != nil {
			return err
		}
	}
	a.report()
	return nil
}

// attached is a large bundle, and some of its blobs as files.
type attached struct {
	*bench
	data, bundle, files string
	bytes               int64
	small               []target // a small image: manifest and blobs
	big                 pair     // large blobs

	first          []float64 // seconds from the call to the end of the first pull
	rates, rivals  []float64 // bytes a second, while the content is brought in
	memory, landed float64
}

// prepare makes the bundle: one small image, and one for each large layer.
func (a *attached) prepare(ctx context.Context) error {
	l := a.sizes.attached
	say("  making %s of content", size(l.bytes()))
	c := &content{dir: filepath.Join(a.dir, "content")}
	defer os.RemoveAll(c.dir)
	little, err := c.layers(layers{4, 256 * kib})
	if err != nil {
		return err
	}
	if err := c.image("bench/small:v1", little...); err != nil {
		return err
	}
	large, err := c.layers(l)
	if err != nil {
		return err
	}
	for i, l := range large {
		if err := c.image(fmt.Sprintf("bench/large%d:v1", i), l); err != nil {
			return err
		}
	}
	a.bytes = c.unique()
	if a.bundle, err = a.bench.bundle(ctx, c); err != nil {
		return err
	}
	return a.targets(c, little, large)
}

// targets notes where the site will serve the content, and keeps the last large
// blobs, which are brought in last, as files.
func (a *attached) targets(c *content, little, large []layer) error {
	host, err := a.upstreamHost()
	if err != nil {
		return err
	}
	path := func(repository string) string { return sitePath(host) + "/bench/" + repository }
	a.small = append(blobs(path("small"), little), target{"/v2/" + path("small") + "/manifests/v1", int64(len(c.images[0].manifest))})
	if err := os.MkdirAll(a.files, 0o755); err != nil {
		return err
	}
	for i := len(large) - 4; i < len(large); i++ {
		d := large[i].Descriptor
		a.big.landfall = append(a.big.landfall, blobs(path(fmt.Sprintf("large%d", i)), large[i:i+1])...)
		a.big.reference = append(a.big.reference, target{"/" + d.Digest.Hex + ".blob", d.Size})
		if err := os.Rename(c.path(d.Digest), filepath.Join(a.files, d.Digest.Hex+".blob")); err != nil {
			return err
		}
	}
	return nil
}

// round attaches the bundle to an empty site, pulls the small image until that
// works, and then large blobs from the site and from the file server in turn.
func (a *attached) round(ctx context.Context) error {
	if err := errors.Join(os.RemoveAll(a.data), a.settle(true)); err != nil {
		return err
	}
	s, err := serve(ctx, a.landfall, "serve", "--open", "--data", a.data, "--listen", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer s.stop()
	reference, err := serve(ctx, a.self, "files", a.files)
	if err != nil {
		return err
	}
	defer reference.stop()
	start := time.Now()
	imported := make(chan error, 1)
	go func() {
		_, err := run(ctx, a.landfall, "bundle", "import", a.bundle, "--data", a.data, "--attach")
		a.landed = time.Since(start).Seconds()
		imported <- err
	}()
	if err := a.firstPull(ctx, s, start); err != nil {
		return errors.Join(err, <-imported)
	}
	for i := range a.big.landfall {
		one, err := pull(ctx, s.host, a.big.landfall[i])
		if err != nil {
			return errors.Join(err, <-imported)
		}
		other, err := pull(ctx, reference.host, a.big.reference[i])
		if err != nil {
			return errors.Join(err, <-imported)
		}
		if len(imported) > 0 { // what is left was not measured as promised
			break
		}
		a.rates, a.rivals = append(a.rates, one), append(a.rivals, other)
	}
	err = <-imported
	a.memory = max(a.memory, float64(s.peak()))
	return err
}

// firstPull pulls the small image as soon as its name is there.
func (a *attached) firstPull(ctx context.Context, s *server, start time.Time) error {
	manifest := a.small[len(a.small)-1]
	return connections(ctx, s.host, 1, func(c *client) error {
		for time.Since(start) < time.Minute {
			another, err := dial(ctx, s.host)
			if err != nil {
				return err
			}
			err = another.fetch(manifest)
			another.Close()
			if err != nil { // 404, so far
				time.Sleep(2 * time.Millisecond)
				continue
			}
			for _, t := range a.small {
				if err := c.fetch(t); err != nil {
					return err
				}
			}
			a.first = append(a.first, time.Since(start).Seconds())
			return nil
		}
		return errors.New("the name was not there within a minute")
	})
}

// pull fetches one target and tells at which rate.
func pull(ctx context.Context, host string, t target) (rate float64, err error) {
	start := time.Now()
	err = connections(ctx, host, 1, func(c *client) error { return c.fetch(t) })
	return float64(t.Size) / time.Since(start).Seconds(), err
}

func (a *attached) report() {
	a.table.note("a bundle of %s, attached to an empty site; the last import took %.0f s", size(a.bytes), a.landed)
	a.table.figure(figure{name: "first pull of an image after the call, bundle not in memory", measured: middle(a.first), spread: spread(a.first), unit: seconds, bound: 1})
	var ratios []float64
	for i := range a.rates {
		ratios = append(ratios, a.rates[i]/a.rivals[i])
	}
	if len(ratios) == 0 {
		a.table.missing("pulls while the content is brought in", errors.New("it was in before a blob was pulled"))
	} else {
		a.table.figure(figure{
			name: "pulls of " + size(a.big.landfall[0].Size) + " while the content is brought in, against a file server beside it", bound: 0.6, atLeast: true,
			landfall: size(int64(middle(a.rates))) + "/s", reference: size(int64(middle(a.rivals))) + "/s", measured: middle(ratios), spread: spread(ratios), unit: ratio,
		})
	}
	a.table.figure(figure{name: "peak memory of the appliance", measured: a.memory, unit: memory, bound: float64(128 * mib)})
}
