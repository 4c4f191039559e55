package mirror_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/sync/mirror"
)

// dated puts an image whose config says when it was made; empty: nothing.
func (k *kit) dated(r registry.Ref, created string) registry.Descriptor {
	k.Helper()
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","name":%q}`, r.String())
	if created != "" {
		config = fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","created":%q}`, created)
	}
	d := registry.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromBytes(config), Size: int64(len(config))}
	k.must(k.up.PutBlob(k.Context(), r.Repository, d, bytes.NewReader(config)))
	k.up.Content[d.Digest] = config
	return k.up.AddManifest(r, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: d, Layers: []registry.Descriptor{k.up.Layer},
	})
}

// What is newer than a time is told by the image itself; what is named comes
// whatever its age, and of the rest the newest versions only.
func TestChoosesByAgeAndVersion(t *testing.T) {
	t.Parallel()
	k := newKit(t, all)
	at := func(tag string) registry.Ref { return ref(registrytest.Tool, tag) }
	k.dated(at("v3.1.0"), "2026-01-10T00:00:00Z")
	k.dated(at("v3.9.0"), "2026-06-01T00:00:00Z")
	k.dated(at("v3.10.0"), "2026-06-01T00:00:01+02:00")
	k.dated(at("v4.0.0"), "2026-11-01T00:00:00Z")
	k.dated(at("undated"), "")
	child := k.dated(registry.Ref{Repository: registrytest.Tool}, "2026-10-01T00:00:00Z")
	k.up.AddManifest(at("v5.0.0"), ocispec.MediaTypeImageIndex, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []registry.Descriptor{child},
	})
	k.up.AddManifest(at("v6.0.0"), ocispec.MediaTypeImageIndex, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []registry.Descriptor{child},
		Annotations: map[string]string{ocispec.AnnotationCreated: "2025-01-01T00:00:00Z"},
	})
	opts := mirror.Options{Now: func() time.Time { return time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC) }}
	for tags, want := range map[string][]string{
		"newerThan: 2026-05-31":                 {"v3.9.0", "v3.10.0", "v4.0.0", "v5.0.0"},
		"newerThan: 60d":                        {"v4.0.0", "v5.0.0"},
		"newerThan: 2026-05-31, latest: 2":      {"v4.0.0", "v5.0.0"},
		`semver: "<4", latest: 2`:               {"v3.9.0", "v3.10.0"},
		"names: undated, newerThan: 60d":        {"undated", "v4.0.0", "v5.0.0"},
		`regex: "v3.*", exclude: ".*\\.9\\..*"`: {"v3.1.0", "v3.10.0"},
	} {
		k.dst = k.store()
		k.configure("mirrors:\n  - {name: team, source: " + registrytest.Tool + ", tags: {" + tags + "}}\n")
		var lines []string
		for _, tag := range want {
			lines = append(lines, "copied "+at(tag).String())
		}
		t.Log(tags)
		k.want(k.run(opts), lines...)
	}
}

// ghostly lists a tag that is not there.
type ghostly struct{ *upstream }

func (g ghostly) Tags(_ context.Context, _, after string) iter.Seq2[string, error] {
	return registry.Names([]string{"ghost", "v2"}, after)
}

// What a list promises and nobody has is told of, also where its age would count.
func TestTellsOfWhatIsListedOnly(t *testing.T) {
	t.Parallel()
	k := newKit(t, "mirrors:\n  - {name: team, source: "+registrytest.Tool+", tags: {newerThan: 60d}}\n")
	p, err := mirror.MakePlan(t.Context(), k.cfg, ghostly{k.up}, k.dst, mirror.Options{})
	k.must(err)
	if len(p.Images) != 1 || p.Images[0].Action != mirror.Fail || p.Images[0].Destination != registrytest.Tool+":ghost" {
		t.Errorf("%+v", p.Images)
	}
}
