package observe

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
)

// taking is an answer that takes readers as a connection does.
type taking struct {
	*httptest.ResponseRecorder
	slices []int64
	failAt int
}

func (w *taking) ReadFrom(src io.Reader) (int64, error) {
	if w.failAt > 0 && len(w.slices) == w.failAt {
		return 0, io.ErrClosedPipe
	}
	n, err := io.Copy(io.Discard, src)
	w.slices = append(w.slices, n)
	return n, err
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// A large file is counted while it is sent; the reader is used up as far as it was,
// and its end and a client that leaves end it.
func TestTrafficOfSlices(t *testing.T) {
	const path = "/v2/team/app/blobs/sha256:0"
	for name, c := range map[string]struct {
		have, want int64 // of the file
		failAt     int
		sent       int64
		slices     int
	}{
		"whole":   {1 << 40, 2*slice + 5, 0, 2*slice + 5, 3},
		"exact":   {1 << 40, 2 * slice, 0, 2 * slice, 2},
		"short":   {slice + 1, 3 * slice, 0, slice + 1, 2},
		"leaving": {1 << 40, 4 * slice, 2, 2 * slice, 2},
		"small":   {1 << 40, 10, 0, 10, 1},
	} {
		o := New(Options{})
		w := &taking{ResponseRecorder: httptest.NewRecorder(), failAt: c.failAt}
		o.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n, err := io.CopyN(w, io.LimitReader(zeros{}, c.have), c.want)
			if n != c.sent || (err == nil) != (c.sent == c.want) {
				t.Errorf("%s: %d, %v", name, n, err)
			}
			if got := o.Traffic(); got.Sent != c.sent || got.Pulls != 0 {
				t.Errorf("%s, before the end: %+v", name, got)
			}
		})).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if len(w.slices) != c.slices || o.Traffic() != (Traffic{Sent: c.sent, Pulls: 1}) {
			t.Errorf("%s: %d slices, %+v", name, len(w.slices), o.Traffic())
		}
	}
}

// Pulls are what was asked for and is here; what the site says of itself is no
// traffic of the registry.
func TestTraffic(t *testing.T) {
	for _, c := range []struct {
		method, path string
		status       int
		want         Traffic
	}{
		{"GET", "/v2/a/manifests/v1", 200, Traffic{4, 6, 1}},
		{"GET", "/v2/a/blobs/sha256:0", 307, Traffic{4, 6, 1}},
		{"GET", "/v2/a/manifests/v1", 404, Traffic{4, 6, 0}},
		{"HEAD", "/v2/a/manifests/v1", 200, Traffic{0, 6, 0}},
		{"GET", "/v2/a/tags/list", 200, Traffic{4, 6, 0}},
		{"PUT", "/v2/a/manifests/v1", 201, Traffic{4, 6, 0}},
		{"GET", "/api/v1/stats", 200, Traffic{0, 6, 0}},
		{"GET", "/", 200, Traffic{0, 6, 0}},
	} {
		o := New(Options{})
		o.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, "four")
		})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(c.method, c.path, iotest.OneByteReader(strings.NewReader("sixsix"))))
		if got := o.Traffic(); got != c.want {
			t.Errorf("%s %s, %d: %+v, want %+v", c.method, c.path, c.status, got, c.want)
		}
	}
}
