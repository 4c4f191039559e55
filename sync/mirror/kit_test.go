package mirror_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/sync/config"
	"github.com/landfall-dev/landfall/sync/mirror"
)

// upstream is a host with the fixture's content. It counts what it is asked for,
// and fails as it is told.
type upstream struct {
	*registrytest.Fixture
	mu     sync.Mutex // protects the fields below
	asked  map[string]int
	blobs  int64 // bytes given out
	broken map[string]error
}

func newUpstream(t *testing.T) *upstream {
	return &upstream{Fixture: registrytest.NewFixture(t), asked: map[string]int{}, broken: map[string]error{}}
}

func (u *upstream) ask(kind, what string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked[kind]++
	return u.broken[what]
}

func (u *upstream) Resolve(ctx context.Context, ref registry.Ref) (registry.Descriptor, error) {
	if err := u.ask("resolve", ref.String()); err != nil {
		return registry.Descriptor{}, err
	}
	return u.Fixture.Resolve(ctx, ref)
}

func (u *upstream) Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	if err := u.ask("manifest", ref.Repository); err != nil {
		return registry.Descriptor{}, nil, err
	}
	return u.Fixture.Manifest(ctx, ref)
}

func (u *upstream) Blob(ctx context.Context, repository string, d registry.Descriptor) (io.ReadCloser, error) {
	return u.BlobFrom(ctx, repository, d, 0)
}

func (u *upstream) BlobFrom(_ context.Context, _ string, d registry.Descriptor, offset int64) (io.ReadCloser, error) {
	if err := u.ask("blob", d.Digest.String()); err != nil {
		return nil, err
	}
	rest := u.Content[d.Digest][offset:]
	u.mu.Lock()
	u.blobs += int64(len(rest))
	u.mu.Unlock()
	return io.NopCloser(bytes.NewReader(rest)), nil
}

func (u *upstream) Tags(ctx context.Context, repository, after string) iter.Seq2[string, error] {
	if err := u.ask("tags", "tags of "+repository); err != nil {
		return registry.NoNames(err)
	}
	return u.Fixture.Tags(ctx, repository, after)
}

func (u *upstream) Catalog(ctx context.Context, host, after string) iter.Seq2[string, error] {
	if err := u.ask("catalog", "catalog"); err != nil {
		return registry.NoNames(err)
	}
	return func(yield func(string, error) bool) {
		for name, err := range u.Repositories(ctx, after) {
			if strings.HasPrefix(name, host+"/") && !yield(name, err) {
				return
			}
		}
	}
}

var errNoFiles = errors.New("no files here")

func (u *upstream) Fetch(context.Context, string, int64) (io.ReadCloser, int64, error) {
	return nil, 0, errNoFiles
}
func (u *upstream) Size(context.Context, string) (int64, error) { return 0, errNoFiles }

func (u *upstream) reset() {
	u.mu.Lock()
	defer u.mu.Unlock()
	clear(u.asked)
	u.blobs = 0
}

// kit is an upstream with a place that follows it.
type kit struct {
	*testing.T
	up  *upstream
	dst *store.Store
	cfg *config.File
}

const all = `mirrors:
  - name: team
    source: registry.example/team/*
`

func newKit(t *testing.T, content string) *kit {
	t.Helper()
	k := &kit{T: t, up: newUpstream(t)}
	k.dst = k.store()
	k.configure(content)
	return k
}

func (k *kit) store() *store.Store {
	k.Helper()
	s, err := store.Open(k.Context(), filepath.Join(k.TempDir(), "data"), store.Options{})
	k.must(err)
	k.Cleanup(func() { k.must(s.Close()) })
	return s
}

func (k *kit) configure(content string) {
	k.Helper()
	cfg, err := config.Parse(filepath.Join(k.TempDir(), "mirror.yaml"), []byte(content))
	k.must(err)
	k.cfg = cfg
}

func (k *kit) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

func (k *kit) plan(opts mirror.Options) *mirror.Plan {
	k.Helper()
	p, err := mirror.MakePlan(k.Context(), k.cfg, k.up, k.dst, opts)
	k.must(err)
	return p
}

func (k *kit) run(opts mirror.Options) *mirror.Report {
	k.Helper()
	r, err := k.plan(opts).Run(k.Context(), k.cfg, k.dst, opts)
	k.must(err)
	return r
}

// want compares names and what became of them with lines of "state name".
func (k *kit) want(r *mirror.Report, lines ...string) {
	k.Helper()
	var got []string
	for _, i := range r.Images {
		got = append(got, fmt.Sprintf("%s %s", i.State, i.Destination))
	}
	slices.Sort(got)
	if slices.Sort(lines); !slices.Equal(got, lines) {
		k.Errorf("got %q, want %q", got, lines)
	}
}

// equal proves that a name reaches the same content at the destination.
func (k *kit) equal(source, destination registry.Ref) {
	k.Helper()
	want, err := registry.Walk(k.Context(), k.up.Fixture, []registry.Ref{source}, registry.WalkOptions{})
	k.must(err)
	got, err := registry.Walk(k.Context(), k.dst, []registry.Ref{destination}, registry.WalkOptions{})
	k.must(err)
	digests := func(g *registry.Graph) (list []string) {
		for _, n := range slices.Concat(g.Manifests, g.Blobs) {
			list = append(list, n.Descriptor.Digest.String())
		}
		slices.Sort(list)
		return list
	}
	if !slices.Equal(digests(got), digests(want)) {
		k.Errorf("%s is not %s", destination, source)
	}
	for _, n := range got.Blobs {
		r, err := k.dst.Blob(k.Context(), n.Repositories[0], n.Descriptor)
		k.must(err)
		_, err = io.Copy(io.Discard, r)
		k.must(errors.Join(err, r.Close()))
	}
}

func ref(repository, tag string) registry.Ref { return registry.Ref{Repository: repository, Tag: tag} }
