package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// thins measures receipts, thin bundles and verification.
func (b *bench) thins(ctx context.Context) error {
	return errors.Join(b.receipts(ctx), b.verifies(ctx))
}

// receipts measures a receipt of many blobs.
func (b *bench) receipts(ctx context.Context) error {
	crowd := filepath.Join(b.dir, "crowd")
	if _, err := run(ctx, "go", "build", "-o", crowd, "./crowd"); err != nil {
		return err
	}
	l, err := b.site(ctx, crowd, b.sizes.receipt)
	if err != nil {
		return err
	}
	if b.keep == "" {
		defer os.RemoveAll(l.data)
	}
	file := filepath.Join(b.dir, "receipt")
	s, err := rounds(b.rounds, func() (sample, error) {
		return run(ctx, b.landfall, "receipt", "--data", l.data, "-o", file)
	})
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	blobs := float64(10 * len(l.tags))
	b.table.note("a site of %d manifests and %.0f blobs", len(l.tags), blobs)
	b.table.figure(figure{name: "receipt, size", measured: float64(info.Size()), unit: memory, bound: 40 * blobs,
		landfall: fmt.Sprintf("%.1f bytes a blob", float64(info.Size())/blobs)})
	b.table.figure(figure{name: "receipt, time", measured: median(s[0], wall), unit: seconds, bound: 2, cpu: fmt.Sprintf("%.2f", median(s[0], cpu))})
	return nil
}

// verifies measures `landfall bundle verify` against sha256sum on all cores, and
// a thin bundle of the same content for a site that has it.
func (b *bench) verifies(ctx context.Context) error {
	s, c := b.sizes, &content{dir: filepath.Join(b.dir, "content")}
	defer os.RemoveAll(c.dir)
	say("  making %s of content", size(s.large.bytes()+s.medium.bytes()+s.little.bytes()))
	if err := c.mixed(s); err != nil {
		return err
	}
	full, err := b.thin(ctx, c)
	if err != nil {
		return err
	}
	defer os.Remove(full)
	sums := filepath.Join(c.dir, "sha256")
	for _, cold := range []bool{true, false} {
		landfall := func() (sample, error) {
			if err := errors.Join(b.settle(cold), b.fill(ctx, full, cold)); err != nil {
				return sample{}, err
			}
			return run(ctx, b.landfall, "bundle", "verify", full)
		}
		reference := func() (sample, error) {
			if err := errors.Join(b.settle(cold), b.fill(ctx, sums, cold)); err != nil {
				return sample{}, err
			}
			script := fmt.Sprintf("ls %s/* | xargs -P %d -n 16 sha256sum >/dev/null", sums, runtime.NumCPU())
			start := time.Now()
			out, err := exec.CommandContext(ctx, "sh", "-c", script).CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			return sample{wall: time.Since(start)}, err
		}
		r, err := rounds(b.rounds, landfall, reference)
		if err != nil {
			return err
		}
		where := "in page cache"
		if cold {
			where = "on disk"
		}
		perSecond := func(samples []sample) string {
			return fmt.Sprintf("%s/s", size(int64(float64(c.unique())*median(samples, speed))))
		}
		f := compared(figure{name: "verify, bundle " + where, landfall: perSecond(r[0]), reference: perSecond(r[1]), bound: 0.9, atLeast: true}, r[0], r[1], speed)
		f.cpu = ""
		b.table.figure(f)
	}
	return nil
}

// fill brings a file, or those of a folder, into the page cache, unless they are
// to be read from the disk.
func (b *bench) fill(ctx context.Context, path string, cold bool) error {
	if cold {
		return nil
	}
	return exec.CommandContext(ctx, "find", path, "-type", "f", "-exec", "cksum", "{}", "+").Run()
}

// thin measures a thin bundle of a content for a site that has it, and returns the
// full one.
func (b *bench) thin(ctx context.Context, c *content) (full string, err error) {
	data, receipt, thin := filepath.Join(b.dir, "data"), filepath.Join(b.dir, "receipt"), filepath.Join(b.dir, "thin.tar")
	defer os.RemoveAll(data)
	up, err := serve(ctx, b.self, "upstream", c.dir)
	if err != nil {
		return "", err
	}
	defer up.stop()
	list, err := b.list(ctx, c, up.host)
	if err != nil {
		return "", err
	}
	full = filepath.Join(b.dir, "bundle.tar")
	for _, args := range [][]string{
		{"bundle", "create", "-f", list, "-o", full, "--plain-http"},
		{"bundle", "import", full, "--data", data},
		{"receipt", "--data", data, "-o", receipt},
		{"bundle", "create", "-f", list, "-o", thin, "--plain-http", "--for", receipt},
	} {
		if _, err := run(ctx, b.landfall, args...); err != nil {
			return "", err
		}
	}
	info, err := os.Stat(thin)
	if err != nil {
		return "", err
	}
	b.table.figure(figure{name: fmt.Sprintf("thin bundle of %d names for a site that has all", len(c.images)), measured: float64(info.Size()), unit: memory,
		bound: float64(64*kib + 200*int64(len(c.images)))})
	return full, nil
}

// sitePath is under which path a site serves what came from a host.
func sitePath(host string) string { return strings.Replace(host, ":", "_", 1) }
