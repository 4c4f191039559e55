package runtime_test

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/host/runtime"
	"github.com/landfall-dev/landfall/registry"
)

// A connection that is cut in the middle of a layer costs nothing twice.
func TestCut(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	l := newLayer(1_000_000)
	i := k.index(k.name, "1", l)
	var cut atomic.Bool
	k.asked.set(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, digestOf(l)) || !cut.CompareAndSwap(false, true) {
			return false
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(l.content)))
		w.Write(l.content[:500_000])
		panic(http.ErrAbortHandler)
	})
	if out := k.pulled(host.Pull{Images: []host.Image{i}}); !cut.Load() || out.Bytes > size(l)+overhead {
		t.Errorf("%+v", out)
	}
}

// A source with TLS is trusted by the authority that comes with it, and by nothing else.
func TestTLS(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	s := k.secure()
	i := k.index(k.name, "1", newLayer(1000))
	k.pulled(host.Pull{Source: s, Images: []host.Image{i}})
	s.CA = nil
	next := k.index(k.name, "2", newLayer(1000))
	if _, err := k.pull(host.Pull{Source: s, Images: []host.Image{next}}); !errors.Is(err, registry.ErrUnreachable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a stranger's certificate: %v", err)
	}
}

// A project's content is below it.
func TestPrefix(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	i := k.index("project/"+k.name, "1", newLayer(1000))
	s := k.source()
	s.Prefix = "project"
	k.pulled(host.Pull{Source: s, Images: []host.Image{{Name: strings.TrimPrefix(i.Name, "project/"), Digest: i.Digest}}})
	if k.labels(k.name+":1") == nil {
		t.Error("there is no record by its original name")
	}
}

// A runtime that is not there, or does not run, is told as such.
func TestNotRunning(t *testing.T) {
	t.Parallel()
	k := newSite(t)
	i := k.index(k.name, "1", newLayer(10))
	missing := none(t)
	if s := missing.Status(t.Context()); s != (host.Runtime{}) {
		t.Errorf("status of no runtime: %+v", s)
	}
	k.must(missing.Unpin(t.Context(), "o"))
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	k.must(err)
	l.SetUnlinkOnClose(false)
	l.Close()
	dead := runtime.New(runtime.Options{Endpoint: path})
	if s := dead.Status(t.Context()); s.Ready || s.Name != "containerd" || s.Endpoint != path {
		t.Errorf("status of a dead runtime: %+v", s)
	}
	for what, err := range map[string]error{
		"unpin": dead.Unpin(t.Context(), "o"),
		"pull": func() error {
			_, err := dead.Pull(t.Context(), host.Pull{Source: k.source(), Images: []host.Image{i}, Owner: "o"}, nil)
			return err
		}(),
		"images": func() error { _, err := dead.Images(t.Context()); return err }(),
	} {
		if !errors.Is(err, registry.ErrUnreachable) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A full disk of containerd's is told as such; with room, the pull goes on.
func TestFull(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	d, err := begin(func(dir string) error {
		root := filepath.Join(dir, "root")
		return errors.Join(os.Mkdir(root, 0o755), syscall.Mount("tmpfs", root, "tmpfs", 0, "size=6m"))
	})
	t.Cleanup(d.end)
	k.must(err)
	k.runtime = runtime.New(runtime.Options{Endpoint: d.socket})
	layers := []layer{newLayer(3_000_000), newLayer(3_000_000), newLayer(3_000_000)}
	i := k.index(k.name, "1", layers...)
	if _, err := k.pull(host.Pull{Images: []host.Image{i}}); !errors.Is(err, registry.ErrNoSpace) {
		t.Errorf("a full disk: %v", err)
	}
	k.must(syscall.Mount("tmpfs", filepath.Join(d.dir, "root"), "tmpfs", syscall.MS_REMOUNT, "size=60m"))
	if out := k.pulled(host.Pull{Images: []host.Image{i}}); out.Bytes > size(layers...)-1_000_000 {
		t.Errorf("after the disk was full: %+v, of %d bytes", out, size(layers...))
	}
}
