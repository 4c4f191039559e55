// Package definitionstest makes small definitions, with the images that they reach,
// for tests of what a site does with them.
package definitionstest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/find"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/memory"
	"github.com/landfall-dev/landfall/registry/trust"
)

// Connected is the connected side: the registries that images come from.
type Connected struct {
	*memory.Registry
	t testing.TB
}

// NewConnected is one without any images.
func NewConnected(t testing.TB) *Connected { return &Connected{&memory.Registry{}, t} }

func (c *Connected) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// put puts bytes as a blob.
func (c *Connected) put(repository, mediaType, text string) registry.Descriptor {
	d := registry.Descriptor{MediaType: mediaType, Digest: digest.FromString(text), Size: int64(len(text))}
	c.must(c.PutBlob(c.t.Context(), repository, d, strings.NewReader(text)))
	return d
}

func (c *Connected) putManifest(ref registry.Ref, mediaType string, v any) registry.Descriptor {
	content, err := json.Marshal(v)
	c.must(err)
	d := registry.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	c.must(c.PutManifest(c.t.Context(), ref, d, content))
	return d
}

// Image puts an image for amd64 and arm64, with a layer for each and one for both, and
// returns it as a definition has it.
func (c *Connected) Image(name string) definition.Image {
	c.t.Helper()
	ref, err := registry.ParseRef(name)
	c.must(err)
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	var list []definition.Manifest
	for _, arch := range []string{"amd64", "arm64"} {
		config := c.put(ref.Repository, ocispec.MediaTypeImageConfig, `{"os":"linux","architecture":"`+arch+`","config":{"Labels":{"name":"`+name+`"}},"rootfs":{"type":"layers","diff_ids":[]}}`)
		own := c.put(ref.Repository, ocispec.MediaTypeImageLayerGzip, strings.Repeat(name+" for "+arch+"\n", 100))
		shared := c.put(ref.Repository, ocispec.MediaTypeImageLayerGzip, strings.Repeat(name+" for all\n", 1000))
		m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []registry.Descriptor{own, shared}}
		d := c.putManifest(registry.Ref{Repository: ref.Repository}, m.MediaType, m)
		blobs := []definition.Blob{}
		for _, b := range []registry.Descriptor{config, own, shared} {
			blobs = append(blobs, definition.Blob{Digest: b.Digest, Size: b.Size})
		}
		list = append(list, definition.Manifest{Digest: d.Digest, MediaType: d.MediaType, Size: d.Size, Platform: "linux/" + arch, Blobs: blobs})
		d.Platform = &registry.Platform{OS: "linux", Architecture: arch}
		index.Manifests = append(index.Manifests, d)
	}
	root := c.putManifest(ref, index.MediaType, index)
	list = append(list, definition.Manifest{Digest: root.Digest, MediaType: root.MediaType, Size: root.Size})
	slices.SortFunc(list, func(a, b definition.Manifest) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	return definition.Image{Name: ref.String(), Digest: root.Digest, Platforms: []string{"linux/amd64", "linux/arm64"}, Manifests: list, Sure: find.Declared,
		Why: []definition.Reason{{Layer: "app", File: "profile.yaml", Line: 8, Rule: "profile", Sure: find.Declared}}}
}

// Definition is one of the name edge with images in one layer, and variables.
func Definition(version string, images []definition.Image, variables ...variable.Declaration) *definition.Definition {
	names := []string{}
	for _, i := range images {
		names = append(names, i.Name)
	}
	return &definition.Definition{
		APIVersion: definition.APIVersion, Kind: definition.Kind, Name: "edge", Version: version, Repository: definition.DefaultRepository + "/edge",
		Profile: digest.FromString("profile " + version), Platforms: []string{"linux/amd64", "linux/arm64"}, Variables: variables,
		Layers: []definition.Layer{{Name: "app", Type: profile.Addon, Upgrade: definition.Upgrade{Policy: "inPlace"}, Images: names}},
		Images: images,
	}
}

// Document is the canonical document.
func (c *Connected) Document(d *definition.Definition) []byte {
	c.t.Helper()
	document, err := definition.Marshal(d)
	c.must(err)
	return document
}

// Publish puts the artifact of a definition without parts, signed with keys.
func (c *Connected) Publish(d *definition.Definition, keys ...*trust.PrivateKey) registry.Ref {
	c.t.Helper()
	document := c.Document(d)
	var signatures []trust.Signature
	for _, k := range keys {
		s, err := definition.Sign(document, k)
		c.must(err)
		signatures = append(signatures, s)
	}
	content, err := definition.Pack(document, nil, signatures)
	c.must(err)
	g, err := registry.Walk(c.t.Context(), content, []registry.Ref{content.Ref()}, registry.WalkOptions{})
	c.must(err)
	c.must(registry.Copy(c.t.Context(), c, content, g, registry.CopyOptions{}))
	return content.Ref()
}

// Carry copies names, with all that they reach, to a site.
func (c *Connected) Carry(to registry.Writer, names ...string) {
	c.t.Helper()
	c.must(registry.Copy(c.t.Context(), to, c, c.Graph(names...), registry.CopyOptions{}))
}

// Graph is all that names reach.
func (c *Connected) Graph(names ...string) *registry.Graph {
	c.t.Helper()
	var refs []registry.Ref
	for _, name := range names {
		ref, err := registry.ParseRef(name)
		c.must(err)
		refs = append(refs, ref)
	}
	g, err := registry.Walk(c.t.Context(), c, refs, registry.WalkOptions{})
	c.must(err)
	return g
}

// Policy is a trust policy that has a key, and lets in what is not signed.
func Policy(t testing.TB, owner string, key *trust.PrivateKey) []byte {
	t.Helper()
	pem := bytes.ReplaceAll(bytes.TrimSpace(key.Key.PEM()), []byte("\n"), []byte("\n      "))
	return []byte("version: 1\nunsigned: allow\nkeys:\n  - owner: " + owner + "\n    pem: |\n      " + string(pem) + "\n    channels: ['*']\n")
}
