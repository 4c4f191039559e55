package upload

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// What an upload costs beside the same bytes through a handler that hashes them and
// syncs once at the end.
func BenchmarkUpload(b *testing.B) {
	content := archiveOf(192<<20, 1)
	b.Run("tus", func(b *testing.B) {
		s := newSite(b, Options{})
		b.SetBytes(int64(len(content)))
		for b.Loop() {
			location := s.make(len(content))
			s.send(location, 0, content).want(b, 204)
			b.StopTimer()
			s.do(call{method: "DELETE", path: location}).want(b, 204)
			b.StartTimer()
		}
	})
	b.Run("bare", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "file")
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			f, err := os.Create(path)
			if err != nil {
				b.Error(err)
			}
			defer f.Close()
			if _, err := io.Copy(io.MultiWriter(f, sha256.New()), r.Body); err != nil {
				b.Error(err)
			}
			if err := f.Sync(); err != nil {
				b.Error(err)
			}
		}))
		defer server.Close()
		b.SetBytes(int64(len(content)))
		for b.Loop() {
			r, err := server.Client().Post(server.URL, "", bytes.NewReader(content))
			if err != nil {
				b.Fatal(err)
			}
			r.Body.Close()
			b.StopTimer()
			os.Remove(path)
			b.StartTimer()
		}
	})
}
