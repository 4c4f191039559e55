// Package registrytest is the law of package registry: what every Reader and
// Writer has to do, as tests that run against each implementation. An
// implementation that passes can stand in for any other.
package registrytest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Readers proves a Reader that holds what the fixture holds. open is called
// once for each test and returns a Reader with the closure of f.Names in it.
func Readers(t *testing.T, open func(t *testing.T, f *Fixture) registry.Reader) {
	t.Helper()
	for name, prove := range map[string]func(*testing.T, *Fixture, registry.Reader){
		"resolves tags and digests":           proveResolve,
		"returns exact manifests":             proveManifests,
		"returns exact blobs":                 proveBlobs,
		"lists referrers":                     proveReferrers,
		"does not know what it does not hold": proveNotFound,
		"can be walked":                       proveWalk,
		"lists in order":                      proveLists,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := NewFixture(t)
			prove(t, f, open(t, f))
		})
	}
}

func proveResolve(t *testing.T, f *Fixture, r registry.Reader) {
	for _, n := range f.Graph.Names {
		for _, ref := range []registry.Ref{n.Ref, n.Ref.ByDigest(n.Descriptor.Digest)} {
			d, err := r.Resolve(t.Context(), ref)
			if err != nil || d.Digest != n.Descriptor.Digest || d.Size != n.Descriptor.Size || d.MediaType != n.Descriptor.MediaType {
				t.Errorf("Resolve(%s) = %+v, %v; want %+v", ref, d, err, n.Descriptor)
			}
		}
	}
}

func proveManifests(t *testing.T, f *Fixture, r registry.Reader) {
	for _, m := range f.Graph.Manifests {
		for _, repository := range m.Repositories {
			d, content, err := r.Manifest(t.Context(), registry.Ref{Repository: repository, Digest: m.Descriptor.Digest})
			if err != nil || !bytes.Equal(content, f.Content[m.Descriptor.Digest]) || d.MediaType != m.Descriptor.MediaType {
				t.Errorf("Manifest(%s@%s) = %+v, %d bytes, %v", repository, m.Descriptor.Digest, d, len(content), err)
			}
		}
	}
}

func proveBlobs(t *testing.T, f *Fixture, r registry.Reader) {
	for _, b := range f.Graph.Blobs {
		for _, repository := range b.Repositories {
			content, err := registry.ReadBlob(t.Context(), r, repository, b.Descriptor)
			if err != nil || !bytes.Equal(content, f.Content[b.Descriptor.Digest]) {
				t.Errorf("Blob(%s@%s) = %d bytes, %v", repository, b.Descriptor.Digest, len(content), err)
			}
		}
	}
	short := f.Layer
	short.Size--
	if _, err := registry.ReadBlob(t.Context(), r, App, short); err == nil {
		t.Error("Blob with a size one too small was read without an error")
	}
}

func proveReferrers(t *testing.T, f *Fixture, r registry.Reader) {
	list, err := r.Referrers(t.Context(), App, f.Index.Digest)
	if err != nil || len(list) != 1 || list[0].Digest != f.Signature.Digest {
		t.Fatalf("Referrers = %+v, %v; want %s alone", list, err, f.Signature.Digest)
	}
	if list[0].ArtifactType != "application/vnd.example.signature" || list[0].Annotations["org.example.signer"] != "law" {
		t.Errorf("referrer without its artifact type or annotations: %+v", list[0])
	}
	if list, err := r.Referrers(t.Context(), App, f.Images["amd64"].Digest); err != nil || len(list) != 0 {
		t.Errorf("Referrers of a manifest without any = %+v, %v", list, err)
	}
}

func proveNotFound(t *testing.T, _ *Fixture, r registry.Reader) {
	nothing := digest.FromString("nothing")
	for _, ref := range []registry.Ref{
		{Repository: App, Tag: "nosuch"},
		{Repository: App, Digest: nothing},
		{Repository: "registry.example/nosuch", Tag: "v1"},
	} {
		if _, err := r.Resolve(t.Context(), ref); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("Resolve(%s): %v, want ErrNotFound", ref, err)
		}
		if _, _, err := r.Manifest(t.Context(), ref); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("Manifest(%s): %v, want ErrNotFound", ref, err)
		}
	}
	rc, err := r.Blob(t.Context(), App, registry.Descriptor{Digest: nothing, Size: 7})
	if err == nil {
		_, err = io.Copy(io.Discard, rc)
		rc.Close()
	}
	if !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("Blob: %v, want ErrNotFound", err)
	}
}

// proveWalk: walking the copy finds what walking the original finds.
func proveWalk(t *testing.T, f *Fixture, r registry.Reader) {
	g, err := registry.Walk(t.Context(), r, f.Names, registry.WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	same := func(a, b registry.Node) bool {
		return a.Descriptor.Digest == b.Descriptor.Digest && slices.Equal(a.Repositories, b.Repositories)
	}
	if !slices.EqualFunc(g.Manifests, f.Graph.Manifests, same) || !slices.EqualFunc(g.Blobs, f.Graph.Blobs, same) {
		t.Errorf("walk found\n%+v, want\n%+v", g, f.Graph)
	}
	if len(g.Names) != 3 {
		t.Errorf("walk found names %+v, want App:v1, its signature tag and Tool:v2", g.Names)
	}
}

func proveLists(t *testing.T, f *Fixture, r registry.Reader) {
	l, ok := r.(registry.Lister)
	if !ok {
		t.Skip("not a Lister")
	}
	sig := "sha256-" + f.Index.Digest.Encoded() + ".sig"
	for after, want := range map[string][]string{"": {sig, "v1"}, sig: {"v1"}, "sha256-": {sig, "v1"}, "v1": nil} {
		if got := collect(t, l.Tags(context.Background(), App, after)); !slices.Equal(got, want) {
			t.Errorf("Tags after %q = %q, want %q", after, got, want)
		}
	}
	for after, want := range map[string][]string{"": {App, Tool}, App: {Tool}} {
		if got := collect(t, l.Repositories(context.Background(), after)); !slices.Equal(got, want) {
			t.Errorf("Repositories after %q = %q, want %q", after, got, want)
		}
	}
	for _, err := range l.Tags(t.Context(), "registry.example/nosuch", "") {
		if !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("Tags of an unknown repository: %v, want ErrNotFound", err)
		}
		return
	}
	t.Error("Tags of an unknown repository: no error")
}

func collect(t *testing.T, names func(func(string, error) bool)) (list []string) {
	t.Helper()
	for name, err := range names {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, name)
	}
	return list
}
