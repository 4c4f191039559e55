package appliance

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// upstream is the connected side of all tests: a registry that answers to
// upstreamName. Each test uses repositories of its own.
var upstream struct {
	mu     sync.Mutex // protects the rest
	server *http.Server
	served chan struct{} // closed when it has ended
	dir    string
}

// needUpstream starts the registry when it is first asked for.
func needUpstream(t *testing.T) {
	t.Helper()
	upstream.mu.Lock()
	defer upstream.mu.Unlock()
	if upstream.server != nil {
		return
	}
	var err error
	if upstream.dir, err = os.MkdirTemp("", "upstream-"); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	upstream.server = &http.Server{Handler: registry.New(registry.WithReferrersSupport(true), registry.WithBlobHandler(registry.NewDiskBlobHandler(upstream.dir)),
		registry.Logger(log.New(io.Discard, "", 0)))}
	upstream.served = make(chan struct{})
	go func() {
		defer close(upstream.served)
		_ = upstream.server.Serve(listener)
	}()
}

func closeUpstream() {
	upstream.mu.Lock()
	defer upstream.mu.Unlock()
	if upstream.server != nil {
		upstream.server.Close()
		<-upstream.served
	}
}

// upstreamPush pushes an image, and returns its name with the tag, and its digest.
func upstreamPush(t *testing.T, repository string, img v1.Image) (ref, digest string) {
	t.Helper()
	needUpstream(t)
	ref = upstreamName + "/" + repository + ":1"
	if err := remote.Write(must(name.ParseReference(ref, name.Insecure))(t), img, remote.WithJobs(2)); err != nil {
		t.Fatalf("push %s: %v", ref, err)
	}
	return ref, must(img.Digest())(t).String()
}

// noise is incompressible and the same for the same seed.
func noise(seed uint64, size int) []byte {
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}).Read(content)
	return content
}

// noiseImage has layers of some bytes each that nobody can unpack, and the layers
// given.
func noiseImage(t *testing.T, seed uint64, layers, size int, more ...v1.Layer) v1.Image {
	t.Helper()
	for i := range layers {
		more = append(more, static.NewLayer(noise(seed+uint64(i), size), types.OCILayer))
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	config := must(img.ConfigFile())(t).DeepCopy()
	config.OS, config.Architecture, config.Author = "linux", "amd64", fmt.Sprint(seed)
	img = must(mutate.ConfigFile(img, config))(t)
	return must(mutate.AppendLayers(img, more...))(t)
}

// layer is one that can be unpacked: a tar with a file.
func layer(t *testing.T, seed uint64, size int) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprint("noise", seed), Size: int64(size), Mode: 0o644})
	_, writeErr := w.Write(noise(seed, size))
	if err := errors.Join(err, writeErr, w.Close()); err != nil {
		t.Fatal(err)
	}
	return static.NewLayer(b.Bytes(), types.OCIUncompressedLayer)
}

// smallImage is one that clients unpack.
func smallImage(t *testing.T, seed uint64) v1.Image {
	t.Helper()
	return noiseImage(t, seed, 0, 0, layer(t, 1, 300_000), layer(t, seed, 100_000))
}

// createBundle writes a bundle of references, and returns its path.
func createBundle(t *testing.T, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "carry.bundle")
	run(t, landfall(append([]string{"bundle", "create", "--plain-http", "--jobs", "2", "-o", path}, args...)...)...)
	return path
}

// key is a key that signs bundles.
type key struct{ private, public string } // files

func newKey(t *testing.T) key {
	t.Helper()
	path := filepath.Join(t.TempDir(), "build")
	run(t, landfall("key", "generate", "-o", path)...)
	return key{path + ".key", path + ".pub"}
}

// id names the key.
func (k key) id(t *testing.T) string {
	t.Helper()
	return decode[struct{ ID string }](t, run(t, landfall("key", "show", k.public, "--json")...)).ID
}

// policy is a trust policy for some keys.
func policy(t *testing.T, keys ...key) string {
	t.Helper()
	text := "version: 1\nkeys:\n"
	for i, k := range keys {
		pem := strings.ReplaceAll(string(must(os.ReadFile(k.public))(t)), "\n", "\n    ")
		text += fmt.Sprintf("- owner: %s\n  channels: ['*']\n  pem: |\n    %s\n", []string{"build team", "partner"}[i], pem)
	}
	return text
}

// trust puts the policy for some keys in force.
func (s *site) trust(keys ...key) {
	s.t.Helper()
	s.local.want(200, "PUT", "/api/v1/trust/policy", object{"text": policy(s.t, keys...)})
}

// content is what has to be at a site that some bundle came to.
type content struct {
	bundle string
	names  []string // "name digest", ascending
	bytes  int64    // of its blobs
}

// newContent makes a bundle of images of noise.
func newContent(t *testing.T, seed uint64, images, layers, size int, args ...string) (c content) {
	t.Helper()
	for i := range images {
		ref, digest := upstreamPush(t, fmt.Sprintf("team%d/big%d", seed, i), noiseImage(t, seed*10_000+uint64(i*layers), layers, size))
		args = append(args, ref)
		c.names = append(c.names, ref+" "+digest)
	}
	c.bytes = int64(images * layers * size)
	c.bundle = createBundle(t, args...)
	return c
}
