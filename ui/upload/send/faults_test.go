package send

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/upload"
)

// A client that ends goes on where the appliance is when it is called again, however
// many parts are wanted then.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 3} {
		s := newSite(t, upload.Options{}, nil)
		file := newFile(t, 20<<20)
		client, uploads, err := Dial(s.url, "")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		cut := &stopping{RoundTripper: client.Transport, at: 10 << 20, stop: stop}
		_, err = Send(ctx, Options{File: file, Parts: parts, URL: uploads, Client: &http.Client{Transport: cut}}, nil)
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("%d parts: %v", parts, err)
		}
		client.CloseIdleConnections()
		r, err := send(t, s.url, Options{File: file, Parts: 4 - parts}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Digest != digestOf(t, file) || r.Found == 0 || r.Sent+r.Found < r.Size || r.Sent > r.Size-10<<20+int64(parts)*oneWindow {
			t.Errorf("%d parts: %d of %d bytes were found, %d sent", parts, r.Found, r.Size, r.Sent)
		}
	}
}

// stopping calls stop when so many bytes of bodies were sent.
type stopping struct {
	http.RoundTripper
	sent atomic.Int64
	at   int64
	stop func()
}

func (s *stopping) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r = r.Clone(r.Context())
		r.Body = &stoppingBody{r.Body, s}
	}
	return s.RoundTripper.RoundTrip(r)
}

type stoppingBody struct {
	io.ReadCloser
	*stopping
}

func (b *stoppingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if now := b.sent.Add(int64(n)); now >= b.at && now-int64(n) < b.at {
		b.stop()
	}
	return n, err
}

// What passes is tried again; what does not is told at once, with its kind.
func TestAnswers(t *testing.T) {
	t.Parallel()
	problem := func(status int, kind string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"type":"about:blank","title":"t","status":1,"detail":"because","kind":"`+kind+`"}`)
		}
	}
	bare := func(status int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.WriteHeader(status) }
	}
	cut := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	for name, c := range map[string]struct {
		method string
		answer func(http.ResponseWriter)
		want   error // nil: it succeeds in the end
	}{
		"busy":               {"POST", problem(503, "busy"), nil},
		"locked":             {"PATCH", problem(423, "locked"), nil},
		"taken over":         {"PATCH", problem(409, "conflict"), nil},
		"broken proxy":       {"PATCH", bare(502), nil},
		"failure":            {"GET", problem(500, "failed"), nil},
		"timeout":            {"PATCH", problem(408, "stalled"), nil},
		"list cut":           {"GET", cut, nil},
		"patch cut":          {"PATCH", cut, nil},
		"create cut":         {"POST", cut, nil},
		"gone":               {"PATCH", problem(404, "not_found"), nil},
		"expired":            {"PATCH", problem(410, "failed"), nil},
		"no space":           {"POST", problem(507, "no_space"), registry.ErrNoSpace},
		"no space meanwhile": {"PATCH", problem(507, "no_space"), registry.ErrNoSpace},
		"no right":           {"POST", problem(403, "denied"), registry.ErrDenied},
		"no login":           {"GET", bare(401), registry.ErrDenied},
		"too large":          {"POST", problem(413, "size"), registry.ErrSize},
		"another kind":       {"PATCH", problem(422, "format"), bundle.ErrFormat},
	} {
		var asked atomic.Int64
		s := newSite(t, upload.Options{}, func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == c.method && (asked.Add(1) == 1 || c.want != nil) {
				c.answer(w)
				return true
			}
			return false
		})
		file := newFile(t, 1<<20)
		r, err := send(t, s.url, Options{File: file, Parts: 1}, nil)
		switch {
		case c.want == nil && (err != nil || r.Digest != digestOf(t, file)):
			t.Errorf("%s: %v", name, err)
		case c.want != nil && (!errors.Is(err, c.want) || asked.Load() != 1):
			t.Errorf("%s: %v after %d requests, want %v", name, err, asked.Load(), c.want)
		}
	}
}

// Patience ends.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = send(t, "http://"+l.Addr().String(), Options{File: newFile(t, 1000), Patience: time.Millisecond}, nil)
	if !errors.Is(err, registry.ErrUnreachable) {
		t.Error(err)
	}
}

// Bytes that changed on the way are found at the end, and do not stay.
func TestChangedOnTheWay(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 2} {
		s := newSite(t, upload.Options{}, func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == "PATCH" {
				r.Body = &flipping{r.Body}
			}
			return false
		})
		_, err := send(t, s.url, Options{File: newFile(t, 3<<20), Parts: parts}, nil)
		if !errors.Is(err, registry.ErrDigest) {
			t.Errorf("%d parts: %v", parts, err)
		}
		list, err := s.List(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		for _, up := range list.Uploads {
			if up.State != upload.Failed {
				t.Errorf("%d parts: %+v is left", parts, up)
			}
		}
	}
}

// flipping changes the fifth byte of each piece from the layer's inside.
type flipping struct{ io.ReadCloser }

func (f *flipping) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if n > 3000 {
		p[2000] ^= 1
	}
	return n, err
}

// A file that changes while it is sent is not taken for the one that it was.
func TestChangedFile(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(path string) error{
		"longer":  func(path string) error { return os.Truncate(path, 9<<20) },
		"shorter": func(path string) error { return os.Truncate(path, 1<<20) },
		"touched": func(path string) error { return os.Chtimes(path, time.Now(), time.Unix(1, 0)) },
	} {
		for _, parts := range []int{1, 2} {
			file := newFile(t, 6<<20)
			var once sync.Once
			s := newSite(t, upload.Options{}, func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method == "PATCH" {
					once.Do(func() {
						if err := change(file); err != nil {
							t.Error(err)
						}
					})
				}
				return false
			})
			if _, err := send(t, s.url, Options{File: file, Parts: parts}, nil); !errors.Is(err, registry.ErrConflict) {
				t.Errorf("%s, %d parts: %v", name, parts, err)
			}
			list, err := s.List(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			for _, up := range list.Uploads {
				if !up.Partial {
					t.Errorf("%s, %d parts: %+v is left", name, parts, up)
				}
			}
		}
	}
}

// An appliance that has no room for all parts is sent none.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	s := newSite(t, upload.Options{Limits: upload.Limits{OwnerQuota: 5 << 20}}, nil)
	_, err := send(t, s.url, Options{File: newFile(t, 6<<20), Parts: 3}, nil)
	if !errors.Is(err, registry.ErrNoSpace) || s.received.Load() != 0 {
		t.Errorf("%v; %d bytes were sent", err, s.received.Load())
	}
	if list, err := s.List(t.Context(), "", ""); err != nil || len(list.Uploads) != 0 {
		t.Errorf("%d uploads are left, %v", len(list.Uploads), err)
	}
}

// A socket of the machine serves as well as a port, and the token is sent.
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	s := newSite(t, upload.Options{}, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	})
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l)
	}()
	defer func() {
		server.Close()
		<-ended
	}()
	file := newFile(t, 3<<20)
	r, err := send(t, "unix://"+path, Options{File: file, Token: "secret", Kind: upload.DockerArchive, Name: "mine.tar"}, nil)
	if err != nil || r.Digest != digestOf(t, file) || r.Name != "mine.tar" {
		t.Error(r, err)
	}
	if _, err := send(t, "unix://"+path, Options{File: file, Token: "another"}, nil); !errors.Is(err, registry.ErrDenied) || strings.Contains(err.Error(), "another") {
		t.Errorf("another token: %v", err)
	}
}

// Addresses and files that cannot be are told before anything is dialled.
func TestBadInput(t *testing.T) {
	t.Parallel()
	for _, server := range []string{"", "site:5443", "ftp://site", "https://", "unix://relative/path", "http://%zz"} {
		if _, _, err := Dial(server, ""); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%q: %v", server, err)
		}
	}
	notPEM := newFile(t, 10)
	if _, _, err := Dial("https://site", notPEM); !errors.Is(err, registry.ErrInvalid) {
		t.Error(err)
	}
	if _, err := Send(t.Context(), Options{File: t.TempDir()}, nil); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("a folder: %v", err)
	}
	if _, err := Send(t.Context(), Options{File: notPEM + "x"}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// An appliance that does not tell how far it is, or a proxy that swallows it, holds
// the client up once only.
func TestSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &reader{ctx: t.Context(), at: oneWindow, window: oneWindow, told: make(chan struct{}, 1)}
		began := time.Now()
		for range 3 {
			if room, err := r.room(); room != oneWindow || err != nil {
				t.Error(room, err)
			}
		}
		if took := time.Since(began); took != windowPatience {
			t.Errorf("held up for %s", took)
		}
	})
}
