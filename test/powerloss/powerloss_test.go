package powerloss

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// life is a site on a disk that records, and what is done to it.
type life struct {
	data    string // folder on the disk
	ledger  *ledger
	random  *rand.Rand
	bundles []bundle
	site    *site // nil while none runs
}

// begin starts the site.
func (l *life) begin() error {
	return l.ledger.do("start", func() (err error) {
		l.site, err = startSite(l.data)
		return err
	})
}

// end stops the site cleanly.
func (l *life) end() error {
	s := l.site
	l.site = nil
	return l.ledger.do("stop", s.stop)
}

// busy lets writers work on the running site beside something else.
func (l *life) busy(operations int, beside func() error) error {
	runs := []func() error{beside}
	for i := range writers {
		w := newWriter(i, l.site.client, l.ledger, l.random)
		runs = append(runs, func() error { return w.work(operations) })
	}
	return together(runs...)
}

// landing is to land bundles and to keep the folder in order in between.
func (l *life) landing(ctx context.Context, bundles ...int) func() error {
	return func() error {
		for _, b := range bundles {
			if err := l.land(ctx, b); err != nil {
				return err
			}
			if err := l.keep(ctx, upkeep); err != nil {
				return err
			}
		}
		return nil
	}
}

// keep runs some of the upkeep.
func (l *life) keep(ctx context.Context, kinds []string) error {
	for _, kind := range kinds {
		if err := l.ledger.do(kind, func() error { return tend(ctx, kind, l.data) }); err != nil {
			return err
		}
	}
	return nil
}

// land imports a bundle, or runs a mirror.
func (l *life) land(ctx context.Context, i int) error {
	b := l.bundles[i]
	d := b.deed(l.site != nil)
	return l.ledger.doDeed(d, func() error { return command(ctx, b.importCommand(l.data)...) })
}

// crash kills the site while writers work. What they had under way may have
// happened or not, and what can be seen of it may still be lost.
func (l *life) crash(ctx context.Context, operations int) error {
	running := make(chan error, 1)
	go func() { running <- l.busy(operations, l.landing(ctx, 0)) }()
	position := l.ledger.now()
	for l.ledger.now() < position+200 {
		select {
		case err := <-running:
			return errors.Join(err, errors.New("the writers were done before the site was killed"))
		case <-time.After(time.Millisecond):
		}
	}
	l.site.kill()
	if err := <-running; wasRefused(err) {
		return err
	}
	return l.site.died()
}

// live is all that happens to the disk.
func (l *life) live(ctx context.Context) error {
	steps := []func() error{
		l.begin,
		func() error { return l.busy(16, l.landing(ctx, 0, 1)) },
		l.end,
		func() error { return l.land(ctx, 2) }, // all of it is new to the names
		func() error { return l.land(ctx, 4) }, // a mirror
		func() error { return l.land(ctx, 5) }, // another, of the same names
		func() error { return l.land(ctx, 1) }, // and most of this is there
		func() error { return l.keep(ctx, upkeep) },
		l.begin,
		func() error { return l.crash(ctx, 50) },
		l.begin,
		l.mend,
		func() error { return l.busy(16, l.landing(ctx, 3, 0)) },
		l.end,
		func() error { return l.land(ctx, 3) },
		l.begin,
		func() error { return l.busy(16, l.landing(ctx, 2, 4)) },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return nil
}

// mend pushes to every name of which nobody knows what it shows.
func (l *life) mend() error {
	for n, digests := range l.ledger.allowed(l.ledger.now()) {
		if len(digests) == 1 || !strings.HasPrefix(n.repository, "team") {
			continue
		}
		i := l.ledger.learn(newImage(l.random, 2))
		err := l.ledger.do("push", func() error { return l.site.push(l.random, n.repository, n.tag, i) }, change{n, i.Digest})
		if err != nil {
			return err
		}
	}
	return nil
}

// recordLife lives a life on a new disk.
func recordLife(t *testing.T, random *rand.Rand) (*disk, *ledger) {
	t.Helper()
	d, path := newDisk(t)
	dir := t.TempDir()
	l := &life{data: filepath.Join(dir, "data"), ledger: newLedger(d.position), random: random, bundles: append(makeBundles(t, random, 4), makeMirrors(t, random, 2)...)}
	if err := mount(path, dir); err != nil {
		t.Fatal(err)
	}
	err := l.live(t.Context())
	if l.site != nil {
		l.site.kill()
	}
	if err := errors.Join(err, unmount(dir)); err != nil {
		t.Fatal(err)
	}
	return d, l.ledger
}

// TestPowerLoss cuts the power at many moments of a site's life.
func TestPowerLoss(t *testing.T) {
	needDisk(t)
	random := newRandom(t)
	began := time.Now()
	d, l := recordLife(t, random)
	t.Logf("a life of %d operations in %v left a log of %s", len(l.deeds), time.Since(began).Round(time.Second), sizeOf(d.log))
	free := newCopies(t)

	cuts := chooseCuts(random, d.log, l.deeds, number(t, cutsEnv, 240))
	sum := checkCuts(free, newPower(d), l, cuts, nil)
	for _, f := range sum.failures {
		t.Error(f)
	}
	t.Logf("%d cuts in %v: %s", len(cuts), time.Since(began).Round(time.Second), countKinds(cuts))
	t.Log(sum)

	t.Run("a disk that lies is found out", func(t *testing.T) {
		p := newPower(d)
		p.lies = 400
		sum := checkCuts(free, p, l, chooseCuts(random, d.log, l.deeds, 8), nil)
		if len(sum.failures) == 0 {
			t.Error("all is well on a disk whose flushes do nothing: these tests prove nothing")
		}
		t.Log(sum)
	})
	t.Run("damage is found out", func(t *testing.T) {
		end := cut{position: int64(len(d.log)), kind: "end"}
		sum := checkCuts(free, newPower(d), l, []cut{end}, flipLayer(t, l))
		if sum.broken == 0 {
			t.Error("all is well with a layer that is not what its digest says: these tests prove nothing")
		}
		t.Log(sum)
	})
}

// flipLayer damages a layer of some name, wherever it is on a disk.
func flipLayer(t *testing.T, l *ledger) func(disk []byte) {
	t.Helper()
	for n, digests := range l.allowed(never - 1) {
		if i := l.image(digests[len(digests)-1]); i != nil && len(i.blobs) > 0 {
			t.Logf("damaged: a layer of %s:%s", n.repository, n.tag)
			return func(disk []byte) {
				for at := bytes.Index(disk, i.blobs[0][:sector]); at >= 0; at = bytes.Index(disk, i.blobs[0][:sector]) {
					disk[at] ^= 1
				}
			}
		}
	}
	t.Fatal("no image to damage")
	return nil
}
