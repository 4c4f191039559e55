package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// creates measures `landfall bundle create` against skopeo and regctl, which
// take image by image, each into an archive of its own: both replace an archive
// that exists instead of adding to it.
func (b *bench) creates(ctx context.Context) error {
	c := &content{dir: filepath.Join(b.dir, "content")}
	defer os.RemoveAll(c.dir)
	say("  making %d images", b.sizes.images)
	if err := c.sharing(b.sizes); err != nil {
		return err
	}
	up, err := serve(ctx, b.self, "upstream", c.dir)
	if err != nil {
		return err
	}
	defer up.stop()
	list, err := b.list(ctx, c, up.host)
	if err != nil {
		return err
	}
	t, err := b.creating(ctx, c, up.host, list)
	if err != nil {
		return err
	}
	s, err := rounds(b.rounds, t.landfallSide(ctx), t.skopeoSide(ctx), t.regctlSide(ctx))
	if err != nil {
		return err
	}
	b.table.note("%d images that share %d base layers: %s, %s with each base counted in each image; one archive per image for skopeo and regctl",
		b.sizes.images, b.sizes.bases.count, size(c.unique()), size(c.references()))
	b.created("time, against skopeo copy", s[0], s[1], 2)
	b.created("time, against regctl image export", s[0], s[2], 1.2)
	b.table.figure(figure{name: "peak memory", landfall: memory(median(s[0], peak)),
		reference: memory(median(s[1], peak)) + ", " + memory(median(s[2], peak)), measured: median(s[0], peak), unit: memory})
	return nil
}

func (b *bench) created(name string, landfall, other []sample, bound float64) {
	f := figure{name: name, landfall: seconds(median(landfall, wall)), reference: seconds(median(other, wall)), bound: bound, atLeast: true}
	b.table.figure(compared(f, landfall, other, speed))
}

// sharing makes images of a shared base and layers of their own.
func (c *content) sharing(s sizes) error {
	bases, err := c.layers(s.bases)
	if err != nil {
		return err
	}
	for i := range s.images {
		all := []layer{bases[i%len(bases)]}
		for _, l := range s.own {
			own, err := c.layers(l)
			if err != nil {
				return err
			}
			all = append(all, own...)
		}
		if err := c.image(fmt.Sprintf("bench/image%d:v1", i), all...); err != nil {
			return err
		}
	}
	return nil
}

// creating is a set of names on their way into archives.
type creating struct {
	*bench
	names          []string
	list, out      string
	host           string
	skopeo, regctl string // "" when it is not to be had
}

func (b *bench) creating(ctx context.Context, c *content, host, list string) (*creating, error) {
	t := &creating{bench: b, list: list, host: host, out: filepath.Join(b.dir, "out"), regctl: filepath.Join(b.dir, "regctl")}
	for _, i := range c.images {
		t.names = append(t.names, host+"/"+i.name)
	}
	var err error
	if t.skopeo, err = exec.LookPath("skopeo"); err != nil {
		return nil, fmt.Errorf("%w: apt-get install skopeo", err)
	}
	_, err = run(ctx, "go", "build", "-o", t.regctl, "github.com/regclient/regclient/cmd/regctl")
	return t, err
}

// fresh runs one side into an empty folder, which it removes afterwards. The
// upstream's files are in the page cache.
func (t *creating) fresh(do side) side {
	return func() (sample, error) {
		if err := errors.Join(os.RemoveAll(t.out), t.settle(false), os.Mkdir(t.out, 0o755)); err != nil {
			return sample{}, err
		}
		s, err := do()
		return s, errors.Join(err, os.RemoveAll(t.out))
	}
}

func (t *creating) landfallSide(ctx context.Context) side {
	return t.fresh(func() (sample, error) {
		return run(ctx, t.landfall, "bundle", "create", "-f", t.list, "-o", filepath.Join(t.out, "bundle.tar"), "--plain-http")
	})
}

func (t *creating) skopeoSide(ctx context.Context) side {
	return t.fresh(func() (sample, error) {
		return t.each(func(name, file string) (sample, error) {
			return run(ctx, t.skopeo, "--insecure-policy", "--tmpdir", t.out, "copy", "--quiet", "--src-tls-verify=false",
				"docker://"+name, "oci-archive:"+file+":"+name)
		})
	})
}

func (t *creating) regctlSide(ctx context.Context) side {
	return t.fresh(func() (sample, error) {
		return t.each(func(name, file string) (sample, error) {
			return run(ctx, t.regctl, "--host", "reg="+t.host+",tls=disabled", "image", "export", name, file)
		})
	})
}

// each runs a tool for one name after the other; the whole counts as one run.
func (t *creating) each(tool func(name, file string) (sample, error)) (sample, error) {
	var sum sample
	start := time.Now()
	for _, name := range t.names {
		file := filepath.Join(t.out, strings.NewReplacer("/", "_", ":", "_").Replace(name)+".tar")
		s, err := tool(name, file)
		if err != nil {
			return sum, err
		}
		sum.cpu += s.cpu
		sum.peak = max(sum.peak, s.peak)
	}
	sum.wall = time.Since(start)
	return sum, nil
}
