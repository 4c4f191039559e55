package mirror

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/test/faultproxy"
)

// A run that is killed again and again goes on where it was: in the end little was
// fetched twice, and nothing is wrong.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"store", "socket", "distribution", "ggcr", "bundle"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			const size = 12 << 20
			prefix := fresh()
			base, large := noise(2<<20), noise(size)
			u := newUpstream(t, "distribution", content{
				newImage(prefix+"/one", "v1", "amd64", base, large),
				newImage(prefix+"/two", "v1", "amd64", base, noise(3<<20)),
			})
			d := newDestination(t, to)
			d.args = append(d.args, "--spool", filepath.Join(t.TempDir(), "spool"))
			file := u.file(t)
			for range 4 {
				d.kill(t, u, file, large, size/6)
			}
			kills := u.Counts().BlobBytes
			d.mustSync(t, file)
			got, want := u.Counts().BlobBytes, u.content.blobBytes()
			t.Logf("%d bytes of blobs, %d of them in runs that were killed; %d are needed (%.3f)", got, kills, want, float64(got)/float64(want))
			level(t, d.read(t), u.content, u.landed)
			if got > want+want/20 {
				t.Errorf("%d bytes of blobs were fetched, %d are needed: %q", got, want, u.ranges("/blobs/"))
			}
		})
	}
}

// kill runs until so many bytes more of a blob were sent and the process, having dealt
// with them, waits for more.
func (d *destination) kill(t *testing.T, u *upstream, file string, large []byte, more int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stall := u.Add(faultproxy.Rule{Method: http.MethodGet, Path: blob(large), Action: faultproxy.Stall(more)})
	defer stall.Remove()
	cmd := command(ctx, nil, append([]string{"sync", "run", "-f", file}, d.args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	const looks = 5 // in a row: nothing was sent, and nobody had anything to do
	last := int64(-1)
	for quiet := 0; quiet < looks && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		now := u.Counts().BlobBytes
		if quiet++; stall.Hits() == 0 || now != last || !asleep(t, cmd.Process.Pid) {
			quiet = 0
		}
		last = now
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if ctx.Err() != nil || stall.Hits() == 0 {
		t.Fatalf("the blob was not asked for: %v", ctx.Err())
	}
}

// asleep says whether every thread of a process waits for something outside it.
func asleep(t *testing.T, pid int) bool {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("no threads of process %d: %v", pid, err)
	}
	return !slices.ContainsFunc(threads, func(file string) bool {
		stat, err := os.ReadFile(file)
		_, state, ok := bytes.Cut(stat, []byte(") "))
		return err == nil && (!ok || state[0] != 'S')
	})
}
