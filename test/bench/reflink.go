package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// reflinks measures imports on file systems that can share blocks: with the
// bundle on the store's file system, against one from another.
func (b *bench) reflinks(ctx context.Context) error {
	s, c := b.sizes, &content{dir: filepath.Join(b.dir, "content")}
	say("  making %s of content", size(s.large.bytes()+s.medium.bytes()))
	s.little.count = 0
	if err := c.mixed(s); err != nil {
		return err
	}
	bundle, err := b.bundle(ctx, c)
	if err != nil {
		return err
	}
	defer os.Remove(bundle)
	if err := os.RemoveAll(c.dir); err != nil {
		return err
	}
	b.table.note("%d large and %d medium blobs, %s; the time of `bundle verify` is taken off both", s.large.count, s.medium.count, size(c.unique()))
	for _, kind := range []string{"xfs", "btrfs"} {
		if err := b.reflink(ctx, kind, bundle, c.unique()); err != nil {
			b.table.missing("import by reflink on "+kind, err)
		}
	}
	return nil
}

func (b *bench) reflink(ctx context.Context, kind, bundle string, bytes int64) error {
	image, dir := filepath.Join(b.dir, kind+".image"), filepath.Join(b.dir, kind)
	defer os.Remove(image)
	script := `truncate -s "$1" "$2" && mkfs.$3 -q "$2" && mkdir -p "$4" && mount -o loop "$2" "$4"`
	if out, err := exec.CommandContext(ctx, "sh", "-c", script, "sh", fmt.Sprint(2*bytes+2*gib), image, kind, dir).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	defer exec.Command("umount", dir).Run()
	here, data := filepath.Join(dir, "bundle"), filepath.Join(dir, "data")
	if _, err := run(ctx, "cp", bundle, here); err != nil {
		return err
	}
	land := func(from string) side {
		return func() (sample, error) {
			if err := errors.Join(os.RemoveAll(data), b.settle(true)); err != nil {
				return sample{}, err
			}
			return run(ctx, b.landfall, "bundle", "import", from, "--data", data)
		}
	}
	verify := func() (sample, error) {
		if err := b.settle(true); err != nil {
			return sample{}, err
		}
		return run(ctx, b.landfall, "bundle", "verify", here)
	}
	r, err := rounds(b.rounds, land(here), land(bundle), verify)
	if err != nil {
		return err
	}
	proven := median(r[2], wall)
	shared, copied := median(r[0], wall), median(r[1], wall)
	b.table.figure(figure{name: "import by reflink on " + kind + ", once verified, against copying", landfall: fmt.Sprintf("%.2f s − %.2f s", shared, proven), reference: seconds(copied),
		measured: max(0, shared-proven) / copied, unit: ratio, bound: 0.1})
	b.table.figure(figure{name: "  with verification", landfall: seconds(shared), reference: seconds(copied), measured: shared / copied, unit: ratio})
	return nil
}
