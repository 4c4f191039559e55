package mirror

import (
	"context"
	"net/http"
	"path/filepath"
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

// kill runs until so many bytes more of a blob were sent, and no more come.
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
	for last := int64(-1); ; {
		now := u.Counts().BlobBytes
		if stall.Hits() > 0 && now == last && now > 0 || ctx.Err() != nil {
			break
		}
		last = now
		time.Sleep(200 * time.Millisecond) // the rule holds the rest up for as long as it takes
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if ctx.Err() != nil || stall.Hits() == 0 {
		t.Fatalf("the blob was not asked for: %v", ctx.Err())
	}
}
