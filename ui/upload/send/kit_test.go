package send

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/ui/upload"
)

// TestMain is the appliance, too, when the variable names its folder: one that can
// be killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		if err := serveChild(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	leaktest.Main(m)
}

const childVariable = "LANDFALL_TEST_UPLOADS"

// serveChild serves the folder's uploads on the socket that the parent hands over.
func serveChild(dir string) error {
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	db, uploads, err := openUploads(dir, upload.Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	go uploads.Keep(context.Background())
	return http.Serve(l, uploads)
}

func openUploads(dir string, opts upload.Options) (*sqldb.DB, *upload.Uploads, error) {
	ctx := context.Background()
	first := fstest.MapFS{"0001_first.sql": {Data: []byte("-- +goose Up\nCREATE TABLE first (n INTEGER);\n-- +goose Down\nDROP TABLE first;\n")}}
	db, err := sqldb.Open(ctx, filepath.Join(dir, "landfall.db"), first)
	if err != nil {
		return nil, nil, err
	}
	u, err := upload.New(ctx, db, filepath.Join(dir, "inbox"), opts)
	return db, u, err
}

// killable is an appliance in a process of its own.
type killable struct {
	t        *testing.T
	dir      string
	listener *os.File
	address  string
	mu       sync.Mutex // protects cmd
	cmd      *exec.Cmd
}

// newKillable starts one. Its socket outlives it, so that nobody else gets the port.
func newKillable(t *testing.T) *killable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &killable{t: t, dir: t.TempDir(), address: l.Addr().String()}
	if k.listener, err = l.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	l.Close()
	k.start()
	t.Cleanup(func() {
		k.kill()
		k.listener.Close()
	})
	return k
}

func (k *killable) start() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cmd = exec.Command(os.Args[0])
	k.cmd.Env = append(os.Environ(), childVariable+"="+k.dir)
	k.cmd.ExtraFiles = []*os.File{k.listener}
	k.cmd.Stderr = os.Stderr
	if err := k.cmd.Start(); err != nil {
		k.t.Error(err)
	}
}

// kill ends it as a crash would.
func (k *killable) kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.cmd.Process.Kill()
	_ = k.cmd.Wait()
}

// site is an appliance in this process, whose requests can be looked at and refused.
type site struct {
	*upload.Uploads
	url      string
	received atomic.Int64 // bytes of bodies
	before   func(w http.ResponseWriter, r *http.Request) bool
}

// newSite starts one. before, if any, is asked before each request, and answers it
// when it says true.
func newSite(t testing.TB, opts upload.Options, before func(w http.ResponseWriter, r *http.Request) bool) *site {
	t.Helper()
	db, u, err := openUploads(t.TempDir(), opts)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{Uploads: u, before: before}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l)
	}()
	s.url = "http://" + l.Addr().String()
	t.Cleanup(func() {
		u.Close()
		server.Close()
		<-ended
		db.Close()
	})
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.before != nil && s.before(w, r) {
		return
	}
	r.Body = &counted{r.Body, &s.received}
	s.Uploads.ServeHTTP(w, r)
}

type counted struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// newFile writes a docker save archive with a layer of about so many bytes.
func newFile(t testing.TB, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "images.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	manifest := []byte(`[{"Config":"c.json","Layers":["layer.tar"]}]`)
	entries := []struct {
		name string
		size int64
		from io.Reader
	}{{"layer.tar", size, rand.NewChaCha8([32]byte{1})}, {"manifest.json", int64(len(manifest)), nil}}
	for _, e := range entries {
		if err := w.WriteHeader(&tar.Header{Name: e.name, Mode: 0o644, Size: e.size}); err != nil {
			t.Fatal(err)
		}
		if e.from == nil {
			_, err = w.Write(manifest)
		} else {
			_, err = io.CopyN(w, e.from, e.size)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// send uploads a file to an appliance over connections of its own.
func send(t *testing.T, server string, opts Options, tell func(Progress)) (*Result, error) {
	t.Helper()
	client, uploads, err := Dial(server, "")
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	opts.Client, opts.URL = client, uploads
	return Send(t.Context(), opts, tell)
}
