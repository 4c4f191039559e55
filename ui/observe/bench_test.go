package observe

import (
	"net/http"
	"testing"
)

// nothing is the cheapest of response writers.
type nothing struct{ header http.Header }

func (n *nothing) Header() http.Header         { return n.header }
func (n *nothing) Write(p []byte) (int, error) { return len(p), nil }
func (n *nothing) WriteHeader(int)             {}

// What watching costs a request, without network.
func BenchmarkWrap(b *testing.B) {
	content := make([]byte, 500)
	handler := New(Options{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }))
	r, err := http.NewRequest("GET", "/v2/registry.example/team/app/manifests/v1", nil)
	if err != nil {
		b.Fatal(err)
	}
	w := &nothing{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		handler.ServeHTTP(w, r)
	}
}
