package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// bigBundle has some images of many layers: its import takes long enough to be
// killed in, and settles its blobs in several steps.
func bigBundle(t *testing.T) string {
	t.Helper()
	up := newUpstream(t)
	var refs []string
	for i := range 4 {
		ref := fmt.Sprintf("%s/team/big%d:1", up.address, i)
		push(t, ref, noiseImage(t, uint64(i*1000), 80, 40<<10))
		refs = append(refs, ref)
	}
	return createBundle(t, refs...)
}

// killer kills programs at moments within a span that follows what the programs
// take: it shrinks when one was done before, and grows when one was not, so that
// four of five are killed however busy the machine is.
type killer struct {
	t      *testing.T
	random *rand.Rand
	span   time.Duration
}

func newKiller(t *testing.T, took time.Duration) *killer {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("it takes %v; random seed %d", took, seed)
	return &killer{t, rand.New(rand.NewPCG(seed, 0)), took}
}

// kills runs a program and kills it with SIGKILL after a while; false when it was
// done before.
func (k *killer) kills(args ...string) bool {
	k.t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	timer := time.AfterFunc(time.Duration(k.random.Int64N(int64(k.span))), func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Wait()
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Exited() && status.ExitStatus() != 0 {
		k.t.Fatalf("%v: exit %d without being killed", args, status.ExitStatus())
	}
	if !status.Signaled() {
		k.span = k.span * 3 / 4
		return false
	}
	k.span = k.span * 17 / 16
	return true
}

func TestKillImportAndImportAgain(t *testing.T) {
	bundle := bigBundle(t)
	clean := t.TempDir()
	began := time.Now()
	importBundle(t, bundle, clean)
	took := time.Since(began)
	want := settled(t, clean)
	if len(want.names) != 4 {
		t.Fatalf("names after a whole import: %v", want.names)
	}

	killer := newKiller(t, took)
	kept := t.TempDir() // is killed until it is whole; the others only once
	for kills, round := 0, 0; kills < 20; round++ {
		if round == 200 {
			t.Fatalf("only %d of %d kills came in time", kills, round)
		}
		data := kept
		if round%2 == 0 {
			data = t.TempDir()
		}
		if !killer.kills(landfall("bundle", "import", bundle, "--data", data)...) {
			expectSettled(t, data, want)
			kept = t.TempDir()
			continue
		}
		kills++
		left := files(t, data)
		got := settled(t, data)
		t.Logf("kill %d left %d of %d files and %d names; the next start removed %d",
			kills, len(got.files), len(want.files), len(got.names), len(without(left, got.files)))
		if len(got.names) != 0 && !slices.Equal(got.names, want.names) {
			t.Errorf("round %d: some of the names are visible after a kill: %v", round, got.names)
		}
		if stray := without(got.files, want.files); len(stray) > 0 {
			t.Errorf("round %d: files left after a kill and the next start: %v", round, stray)
		}
		if data == kept {
			continue
		}
		importBundle(t, bundle, data)
		expectSettled(t, data, want)
	}
	importBundle(t, bundle, kept)
	expectSettled(t, kept, want)
	validateAll(t, serve(t, kept))
}

func TestKillCreateAndCreateAgain(t *testing.T) {
	up := newUpstream(t)
	ref := up.address + "/team/big:1"
	push(t, ref, noiseImage(t, 900, 16, 2<<20))
	dir := t.TempDir()
	bundle := filepath.Join(dir, "content.landfall")
	create := landfall("bundle", "create", "--plain-http", "-o", bundle, ref)
	began := time.Now()
	run(t, create...)
	killer := newKiller(t, time.Since(began))

	for range 12 {
		if err := os.Remove(bundle); err != nil {
			t.Fatal(err)
		}
		for killer.kills(create...) {
			if _, err := os.Stat(bundle); err == nil {
				run(t, landfall("bundle", "verify", bundle)...)
			}
		}
		run(t, landfall("bundle", "verify", bundle)...)
		if got := files(t, dir); len(got) != 1 {
			t.Errorf("beside the bundle: %v", got)
		}
	}
}

// state is what a data folder holds after a start and an end of the site.
type state struct{ names, files []string }

func settled(t *testing.T, data string) state {
	t.Helper()
	t.Run("site", func(t *testing.T) { serve(t, data) })
	return state{names(t, data), files(t, data)}
}

func expectSettled(t *testing.T, data string, want state) {
	t.Helper()
	got := settled(t, data)
	if !slices.Equal(got.names, want.names) {
		t.Errorf("names after importing again: %v, want %v", got.names, want.names)
	}
	if !slices.Equal(got.files, want.files) {
		t.Errorf("files after importing again: %v beside, %v missing", without(got.files, want.files), without(want.files, got.files))
	}
}

// without are the strings of all that are not in some.
func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(some, s) })
}
