package powerloss

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestKill kills the site, or who works on its folder while none runs, at
// random moments. One data folder goes through all of it.
func TestKill(t *testing.T) {
	k := newKiller(t)
	began := time.Now()
	rounds := number(t, killsEnv, 300)
	for k.killed = 0; k.killed < rounds; {
		if err := k.round(); err != nil {
			t.Fatalf("after %d kills: %v", k.killed, err)
		}
		if k.tried++; k.tried > 3*rounds {
			t.Fatalf("only %d of %d kills came in time", k.killed, k.tried)
		}
	}
	if err := errors.Join(k.check(), k.site.stop()); err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(k.interrupted)) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, k.interrupted[kind]))
	}
	t.Logf("%d kills in %v; operations they interrupted: %s", k.killed, time.Since(began).Round(time.Second), strings.Join(parts, ", "))
	t.Log(&k.sum)
}

// killer goes on with one folder from kill to kill.
type killer struct {
	life
	sum           totals
	killed, tried int
	interrupted   map[string]int // how many operations, by kind
}

func newKiller(t *testing.T) *killer {
	t.Helper()
	var clock atomic.Int64
	random := newRandom(t)
	folder := t.TempDir()
	if os.Getenv(insideEnv) != "" {
		folder = memoryFolder(t) // what a kill leaves does not depend on the disk, but the time until then does
	}
	k := &killer{interrupted: map[string]int{}}
	k.life = life{
		data:    filepath.Join(folder, "data"),
		ledger:  newLedger(func() int64 { return clock.Add(1) }),
		random:  random,
		bundles: append(makeBundles(t, random, 4), makeMirrors(t, random, 2)...),
	}
	t.Cleanup(func() {
		if k.site != nil {
			k.site.kill()
		}
	})
	return k
}

// round starts the site, checks what the kill before left, and kills again.
func (k *killer) round() error {
	if err := k.check(); err != nil {
		return err
	}
	if k.random.IntN(4) > 0 {
		return k.killBusy()
	}
	s := k.site
	k.site = nil
	if err := s.stop(); err != nil {
		return err
	}
	return k.killCommand()
}

// check starts the site and holds it against the ledger.
func (k *killer) check() error {
	cut := k.ledger.now()
	for _, d := range k.ledger.underWay(cut) {
		k.interrupted[d.kind]++
	}
	s, err := startSite(k.data)
	if err != nil {
		return err
	}
	k.site = s
	if left, err := os.ReadDir(filepath.Join(k.data, "incoming")); err != nil || len(left) > 0 {
		return fmt.Errorf("incoming after a start: %v, %v", left, err)
	}
	seen, v := check(s.client, k.ledger, cut, k.random)
	v.log = s.printed()
	k.sum.add("kill", v)
	if err := v.err(); err != nil {
		return err
	}
	k.ledger.settle(seen)
	return nil
}

// killBusy kills the site while writers, imports and upkeep are at it.
func (k *killer) killBusy() error {
	s, killed := k.site, make(chan struct{})
	k.site = nil
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	running := life{k.data, k.ledger, k.random, k.bundles, s}
	timer := time.AfterFunc(time.Duration(k.random.IntN(250))*time.Millisecond, func() {
		s.kill()
		close(killed)
		cancel() // commands would try again for some seconds
	})
	defer timer.Stop()
	err := running.busy(1000, k.chore(ctx, &running))
	select {
	case <-killed:
	case <-time.After(patience):
		return errors.Join(err, errors.New("the writers ended before the site was killed"))
	}
	k.killed++
	if wasRefused(err) {
		return err
	}
	return s.died()
}

// chore is what goes on beside the writers.
func (k *killer) chore(ctx context.Context, l *life) func() error {
	bundle, kinds := k.random.IntN(len(k.bundles)), slices.Clone(upkeep)
	k.random.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	switch k.random.IntN(3) {
	case 0:
		return func() error { return nil }
	case 1:
		return func() error { return l.keep(ctx, kinds) }
	}
	return l.landing(ctx, bundle)
}

// killCommand kills a command that works on the folder by itself.
func (k *killer) killCommand() error {
	kinds := append([]string{"import", "import", "import"}, upkeep...)
	kind := kinds[k.random.IntN(len(kinds))]
	d := &deed{kind: kind}
	args := upkeepCommand(kind, k.data, false)
	if kind == "import" {
		b := k.bundles[k.random.IntN(len(k.bundles))]
		d, args = b.deed(false), b.importCommand(k.data)
	}
	err := k.ledger.doDeed(d, func() error { return killed(k.random, args) })
	if errors.Is(err, errKilled) {
		k.killed++
		return nil
	}
	return err
}

var errKilled = errors.New("killed")

// killed runs a command and kills it after a while, or not, when it is done
// before.
func killed(random *rand.Rand, args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	var printed strings.Builder
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := cmd.Start(); err != nil {
		return err
	}
	timer := time.AfterFunc(time.Duration(random.IntN(120))*time.Millisecond, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	if err != nil && cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
		return errKilled
	}
	if err != nil {
		return fmt.Errorf("%v: %w: %s", args, err, printed.String())
	}
	return nil
}
