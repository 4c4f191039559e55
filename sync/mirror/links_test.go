package mirror_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/sync/mirror"
)

// through is an upstream whose blobs come by another way.
type through struct {
	*upstream
	open func(ctx context.Context, d registry.Descriptor, r io.ReadCloser) (io.ReadCloser, error)
}

func (t *through) Blob(ctx context.Context, repository string, d registry.Descriptor) (io.ReadCloser, error) {
	return t.BlobFrom(ctx, repository, d, 0)
}

func (t *through) BlobFrom(ctx context.Context, repository string, d registry.Descriptor, offset int64) (io.ReadCloser, error) {
	r, err := t.upstream.BlobFrom(ctx, repository, d, offset)
	if err != nil {
		return nil, err
	}
	return t.open(ctx, d, r)
}

func (k *kit) runThrough(up *through, opts mirror.Options) *mirror.Report {
	k.Helper()
	p, err := mirror.MakePlan(k.Context(), k.cfg, up, k.dst, opts)
	k.must(err)
	r, err := p.Run(k.Context(), k.cfg, k.dst, opts)
	k.must(err)
	return r
}

// counter is a blob that is being read.
type counter struct {
	io.ReadCloser
	under *atomic.Int32
}

func (c *counter) Close() error {
	c.under.Add(-1)
	return c.ReadCloser.Close()
}

// A host is asked for as many blobs at once as its limit says, whatever the run may.
func TestTransfersOfAHost(t *testing.T) {
	t.Parallel()
	k := newKit(t, "registries: [{host: registry.example, limits: {transfers: 1}}]\n"+all)
	var under, most atomic.Int32
	up := &through{k.up, func(_ context.Context, _ registry.Descriptor, r io.ReadCloser) (io.ReadCloser, error) {
		if n := under.Add(1); n > most.Load() {
			most.Store(n)
		}
		return &counter{r, &under}, nil
	}}
	k.must(k.runThrough(up, mirror.Options{Jobs: 8}).Err())
	if most.Load() != 1 || under.Load() != 0 {
		t.Errorf("%d blobs at once, %d are open", most.Load(), under.Load())
	}
}

// until reads when the context ends.
type until struct{ ctx context.Context } //nolint:containedctx // io.Reader has no other place for it

func (u until) Read([]byte) (int, error) {
	<-u.ctx.Done()
	return 0, context.Cause(u.ctx)
}

// What is on its way when the window of its link ends waits for the next.
func TestWindowEndsOnTheWay(t *testing.T) {
	t.Parallel()
	k := newKit(t, "registries: [{host: registry.example, windows: {times: 22:00-22:30, zone: UTC}}]\n"+all)
	up := &through{k.up, func(ctx context.Context, _ registry.Descriptor, r io.ReadCloser) (io.ReadCloser, error) {
		return struct {
			io.Reader
			io.Closer
		}{until{ctx}, r}, nil
	}}
	last := time.Date(2026, 11, 27, 22, 29, 59, int(900*time.Millisecond), time.UTC)
	r := k.runThrough(up, mirror.Options{Now: func() time.Time { return last }})
	k.want(r, "deferred "+app.String(), "deferred "+tool.String())
	opens := time.Date(2026, 11, 28, 22, 0, 0, 0, time.UTC)
	if i := r.Images[0]; i.Until == nil || !i.Until.Equal(opens) || !errors.Is(r.Err(), mirror.ErrPartial) {
		t.Errorf("%+v, %v", i, r.Err())
	}
}

// A host that answers for nothing is not asked for everything.
func TestDeadHost(t *testing.T) {
	t.Parallel()
	k := newKit(t, all)
	for _, b := range k.up.Graph.Blobs {
		k.up.broken[b.Descriptor.Digest.String()] = registry.ErrUnreachable
	}
	r := k.run(mirror.Options{Jobs: 1})
	if asked := k.up.asked["blob"]; asked != 6 || len(k.up.Graph.Blobs) <= 6 {
		t.Errorf("asked %d times for %d blobs", asked, len(k.up.Graph.Blobs))
	}
	if !errors.Is(r.Err(), registry.ErrUnreachable) || r.Count(mirror.Failed) != 2 {
		t.Error(r.Err(), r)
	}
	given := 0
	for _, i := range r.Images {
		if strings.Contains(i.Error, "unreachable") {
			given++
		}
	}
	if given != 2 {
		t.Errorf("%+v", r.Images)
	}
}

// A chart of an OCI registry is a source as any other, platforms or not.
func TestChartsOfRegistries(t *testing.T) {
	t.Parallel()
	k := newKit(t, all+"    platforms: linux/amd64\n    tags: {names: 1.2.3_build}\n")
	chart := ref(registrytest.Tool, "1.2.3_build")
	config, content := k.up.AddBlob(chart.Repository, 80), k.up.AddBlob(chart.Repository, 900)
	config.MediaType, content.MediaType = "application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	k.up.AddManifest(chart, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []registry.Descriptor{content},
	})
	k.configure("mirrors:\n  - {name: charts, source: " + registrytest.Tool + ", platforms: linux/amd64, tags: {names: 1.2.3_build}}\n")
	k.want(k.run(mirror.Options{}), "copied "+chart.String())
	k.equal(chart, chart)
}
