package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
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
	b.table.note("%d large and %d medium blobs, %s; times as the import tells them", s.large.count, s.medium.count, size(c.unique()))
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
	land := func(from string, flags ...string) side {
		return func() (sample, error) {
			if err := errors.Join(os.RemoveAll(data), b.settle(true)); err != nil {
				return sample{}, err
			}
			return b.timed(ctx, append([]string{"bundle", "import", from, "--data", data, "--json"}, flags...)...)
		}
	}
	r, err := rounds(b.rounds, land(here, "--verify"), land(bundle))
	if err != nil {
		return err
	}
	f := figure{name: "import by reflink on " + kind + ", once verified, against copying", landfall: seconds(median(r[0], wall)), reference: seconds(median(r[1], wall)), bound: 0.1}
	f = compared(f, r[0], r[1], wall)
	f.cpu = ""
	b.table.figure(f)
	all := figure{name: "  with verification", landfall: seconds(median(r[0], wholeTime)), reference: seconds(median(r[1], wholeTime))}
	all = compared(all, r[0], r[1], wholeTime)
	all.cpu = ""
	b.table.figure(all)
	return nil
}

// timed runs an import, and takes the time from what it says: wall is that of the
// landing, rate what came before it.
func (b *bench) timed(ctx context.Context, args ...string) (sample, error) {
	out, err := exec.CommandContext(ctx, b.landfall, args...).Output()
	if err != nil {
		return sample{}, fmt.Errorf("%q: %w", args, err)
	}
	var said struct {
		Seconds struct{ Judging, Landing float64 }
	}
	if err := json.Unmarshal(out, &said); err != nil {
		return sample{}, err
	}
	second := float64(time.Second)
	return sample{wall: time.Duration(said.Seconds.Landing * second), rate: said.Seconds.Judging}, nil
}

func wholeTime(s sample) float64 { return s.wall.Seconds() + s.rate }
