package send

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/ui/upload"
)

func digestOf(t *testing.T, path string) digest.Digest {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := digest.FromReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A file arrives whole, in one part or in several, and is sent once only.
func TestSend(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 2, 5} {
		s := newSite(t, upload.Options{}, nil)
		file := newFile(t, 9<<20+77)
		var last Progress
		r, err := send(t, s.url, Options{File: file, Parts: parts}, func(p Progress) { last = p })
		if err != nil {
			t.Fatal(err)
		}
		info, _ := os.Stat(file)
		if r.State != upload.Whole || r.Digest != digestOf(t, file) || r.Sent != info.Size() || r.Kind != upload.DockerArchive {
			t.Errorf("%d parts: %+v", parts, r)
		}
		if last.Offset != info.Size() || last.Total != info.Size() || !last.Checks {
			t.Errorf("%d parts: the last that was told is %+v", parts, last)
		}
		f, err := s.Whole(t.Context(), r.ID)
		if err != nil || digestOf(t, f.Path) != r.Digest {
			t.Errorf("%d parts: the file is another: %v", parts, err)
		}
		again, err := send(t, s.url, Options{File: file, Parts: parts}, nil)
		if err != nil || again.ID != r.ID || again.Sent != 0 {
			t.Errorf("%d parts, again: %+v, %v", parts, again, err)
		}
	}
}

// killing kills an appliance when so many bytes of bodies were sent.
type killing struct {
	http.RoundTripper
	appliance *killable
	mu        sync.Mutex // protects the fields below, and is held while it is killed
	sent      int64
	at        []int64 // ascending; what is left of them
}

func (k *killing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r = r.Clone(r.Context())
		r.Body = &killingBody{r.Body, k}
	}
	return k.RoundTripper.RoundTrip(r)
}

type killingBody struct {
	io.ReadCloser
	*killing
}

func (b *killingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sent += int64(n); len(b.at) > 0 && b.sent >= b.at[0] {
		b.at = b.at[1:]
		b.appliance.kill()
		b.appliance.start()
	}
	return n, err
}

// An appliance that is killed five times gets the file all the same, and little of
// it twice.
func TestKilled(t *testing.T) {
	t.Parallel()
	const kills = 5
	size := int64(48 << 20)
	if n, err := strconv.Atoi(os.Getenv("LANDFALL_TEST_KILLED_MIB")); err == nil {
		size = int64(n) << 20
	}
	for _, parts := range []int{1, 4} {
		k := newKillable(t)
		file := newFile(t, size)
		client, uploads, err := Dial("http://"+k.address, "")
		if err != nil {
			t.Fatal(err)
		}
		killer := &killing{RoundTripper: client.Transport, appliance: k}
		for n := range int64(kills) {
			killer.at = append(killer.at, (n+1)*size/(kills+1))
		}
		r, err := Send(t.Context(), Options{File: file, Parts: parts, URL: uploads, Client: &http.Client{Transport: killer}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		client.CloseIdleConnections()
		lost := r.Sent - r.Size
		t.Logf("%d parts: %.1f MiB were sent, %.3f ×: %.1f MiB twice for each kill", parts, float64(r.Sent)/(1<<20), float64(r.Sent)/float64(r.Size), float64(lost)/kills/(1<<20))
		if len(killer.at) != 0 || r.Digest != digestOf(t, file) {
			t.Errorf("%d parts: %d kills to go, %+v", parts, len(killer.at), r)
		}
		// What was under way is bounded, whatever the buffers of the connections are.
		if most := kills * max(oneWindow, int64(parts)*partsWindow); lost > most {
			t.Errorf("%d parts: %d bytes were sent twice, want %d at most", parts, lost, most)
		}
	}
}
