package definition

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/registry"
)

// Ref is the name of the artifact.
func (d *Definition) Ref() registry.Ref {
	return registry.Ref{Repository: d.Repository, Tag: tagOf(d.Version)}
}

// Ref is the image's name with its digest.
func (m *Image) Ref() registry.Ref {
	ref, _ := registry.ParseRef(m.Name) // Parse and Marshal have proven it
	ref.Digest = m.Digest
	return ref
}

// Refs are the names of all images, each with its digest.
func (d *Definition) Refs() (refs []registry.Ref) {
	for i := range d.Images {
		refs = append(refs, d.Images[i].Ref())
	}
	return refs
}

// Unlisted are images that were found and that the profile does not list itself,
// ascending; none when it lists no images at all.
func (d *Definition) Unlisted() (names []string) {
	listed := map[string]bool{}
	for _, l := range d.Layers {
		for _, name := range l.Images {
			listed[name] = true
		}
	}
	if len(listed) == 0 {
		return nil
	}
	for i := range d.Images {
		if m := &d.Images[i]; !listed[m.Name] && !listed[m.Ref().String()] {
			names = append(names, m.Name)
		}
	}
	return names
}

// Part is the chart's archive.
func (h *Chart) Part() Part {
	return Part{Path: h.Name + "-" + h.Version + ".tgz", MediaType: TypeChart, Digest: h.Digest, Size: h.Size}
}

// Parts are the blobs that the artifact carries beside the document, in the order of
// the layers, each digest once.
func (d *Definition) Parts() (parts []Part) {
	seen := map[digest.Digest]bool{}
	for _, p := range d.placedParts() {
		if !seen[p.Digest] {
			seen[p.Digest] = true
			parts = append(parts, p.Part)
		}
	}
	return parts
}

// placedPart is a part with its place.
type placedPart struct {
	Part
	layer, kind string
}

func (d *Definition) placedParts() (parts []placedPart) {
	for _, l := range d.Layers {
		for i := range l.Charts {
			parts = append(parts, placedPart{l.Charts[i].Part(), l.Name, KindChart})
		}
		for _, p := range l.Manifests {
			parts = append(parts, placedPart{p, l.Name, KindManifest})
		}
		for _, p := range l.Files {
			parts = append(parts, placedPart{p, l.Name, KindFile})
		}
		for i := range l.Providers {
			parts = append(parts, placedPart{l.Providers[i].Part(), l.Name, KindProvider})
		}
	}
	return parts
}

// The kinds of items.
const (
	KindImage    = "image"
	KindChart    = "chart"
	KindManifest = "manifest"
	KindFile     = "file"
	KindProvider = "provider"
)

// Entry is one digest of the closure, in the repository that has to have it.
type Entry struct {
	Item       string // name of the image, or LAYER/PATH of a part
	Kind       string // KindImage and others
	Repository string
	Descriptor registry.Descriptor // of a blob without its media type
	Manifest   bool                // else a blob
	Tag        string              // of a companion that is found by its tag
}

// Graph goes through the closure: what hosts of the platforms need, of all without
// any. A digest comes as often as items have it.
func Graph(d *Definition, platforms []registry.Platform) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := range d.Images {
			for e := range d.Images[i].entries(platforms) {
				if !yield(e) {
					return
				}
			}
		}
		for _, p := range d.placedParts() {
			e := Entry{Item: p.layer + "/" + p.Path, Kind: p.kind, Repository: d.Repository, Descriptor: registry.Descriptor{Digest: p.Digest, Size: p.Size}}
			if !yield(e) {
				return
			}
		}
	}
}

// entries goes through one image.
func (m *Image) entries(platforms []registry.Platform) iter.Seq[Entry] {
	repository := m.Ref().Repository
	return func(yield func(Entry) bool) {
		for i := range m.Manifests {
			n := &m.Manifests[i]
			if !n.For(platforms) {
				continue
			}
			d := registry.Descriptor{MediaType: n.MediaType, Digest: n.Digest, Size: n.Size}
			if !yield(Entry{m.Name, KindImage, repository, d, true, n.Tag}) {
				return
			}
			for _, b := range n.Blobs {
				if !yield(Entry{Item: m.Name, Kind: KindImage, Repository: repository, Descriptor: registry.Descriptor{Digest: b.Digest, Size: b.Size}}) {
					return
				}
			}
		}
	}
}

// ManifestsOf writes down what the graph of one image reaches, and whose hosts need
// which manifest; what is not in platform everybody needs.
func ManifestsOf(g *registry.Graph, platform map[digest.Digest]string) (list []Manifest) {
	tags := map[digest.Digest]string{}
	for _, n := range g.Names {
		if registry.IsSignatureTag(n.Ref.Tag) {
			tags[n.Descriptor.Digest] = n.Ref.Tag
		}
	}
	for _, n := range g.Manifests {
		m := Manifest{
			Digest: n.Descriptor.Digest, MediaType: n.Descriptor.MediaType, Size: n.Descriptor.Size,
			Platform: platform[n.Descriptor.Digest], Tag: tags[n.Descriptor.Digest],
		}
		if n.Manifest.Subject != nil {
			m.Subject = n.Manifest.Subject.Digest
		}
		for _, blob := range n.Manifest.Blobs {
			if !slices.ContainsFunc(m.Blobs, func(o Blob) bool { return o.Digest == blob.Digest }) {
				m.Blobs = append(m.Blobs, Blob{Digest: blob.Digest, Size: blob.Size})
			}
		}
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b Manifest) int { return cmp.Compare(a.Digest, b.Digest) })
	return list
}

// For reports whether hosts of one of the platforms need the manifest; without any,
// all hosts are meant.
func (n *Manifest) For(platforms []registry.Platform) bool {
	p, err := registry.ParsePlatform(n.Platform)
	return n.Platform == "" || err == nil && registry.Fits(p, platforms)
}

// RunsOn reports whether the image has something for hosts of a platform; what is no
// image has the same for all.
func (m *Image) RunsOn(p registry.Platform) bool {
	return len(m.Platforms) == 0 || slices.ContainsFunc(m.Platforms, func(text string) bool {
		have, err := registry.ParsePlatform(text)
		return err == nil && registry.Fits(have, []registry.Platform{p})
	})
}

// Size is how many bytes an image is for the platforms, each digest once; without
// any, for all.
func (m *Image) Size(platforms ...registry.Platform) (bytes int64) {
	seen := map[digest.Digest]bool{}
	for e := range m.entries(platforms) {
		if !seen[e.Descriptor.Digest] {
			seen[e.Descriptor.Digest] = true
			bytes += e.Descriptor.Size
		}
	}
	return bytes
}

// Size is how many bytes the closure has for the platforms, each digest once; without
// any, for all. The document is not counted.
func (d *Definition) Size(platforms ...registry.Platform) (bytes int64) {
	seen := map[digest.Digest]bool{}
	for e := range Graph(d, platforms) {
		if !seen[e.Descriptor.Digest] {
			seen[e.Descriptor.Digest] = true
			bytes += e.Descriptor.Size
		}
	}
	return bytes
}

// Why finds images: by the name that they have or that Docker would complete, by a
// name without tag, or by the digest of one of their manifests. ErrNotFound names
// similar ones.
func (d *Definition) Why(image string) (found []Image, err error) {
	for _, match := range d.matchers(image) {
		for i := range d.Images {
			if match(&d.Images[i]) {
				found = append(found, d.Images[i])
			}
		}
		if len(found) > 0 {
			return found, nil
		}
	}
	return nil, fmt.Errorf("image %.300q: %w in definition %s %s%s", image, registry.ErrNotFound, d.Name, d.Version, d.similar(image))
}

// matchers are the ways in which an image can be meant, the most particular first.
func (d *Definition) matchers(text string) []func(*Image) bool {
	list := []func(*Image) bool{func(m *Image) bool { return m.Name == text }}
	if dgst, err := registry.ParseDigest(text); err == nil {
		list = append(list, func(m *Image) bool {
			return slices.ContainsFunc(m.Manifests, func(n Manifest) bool { return n.Digest == dgst })
		})
	}
	ref, err := registry.ParseRef(text)
	if err != nil {
		return list
	}
	same := func(m *Image) bool { return m.Ref().Repository == ref.Repository }
	switch {
	case ref.Digest != "":
		list = append(list, func(m *Image) bool { return same(m) && m.Digest == ref.Digest })
	case strings.HasSuffix(text, ":"+ref.Tag):
		list = append(list, func(m *Image) bool { return m.Name == ref.String() })
	default:
		list = append(list, same)
	}
	return list
}

// similar names images whose last part is alike.
func (d *Definition) similar(text string) string {
	name, _, _ := strings.Cut(text[strings.LastIndexByte(text, '/')+1:], ":")
	name, _, _ = strings.Cut(name, "@")
	var list []string
	for _, m := range d.Images {
		if name != "" && strings.Contains(m.Name, name) && len(list) < 5 {
			list = append(list, m.Name)
		}
	}
	if len(list) == 0 {
		return ""
	}
	return "; it has " + strings.Join(list, ", ")
}

// String says the reason on one line, from the layer to the field.
func (r *Reason) String() string {
	steps := []string{"layer " + r.Layer}
	if r.Chart != "" {
		text := "chart " + r.Chart
		if r.Set != "" {
			text += " with values " + r.Set
		}
		steps = append(steps, text)
	}
	if r.File != "" {
		steps = append(steps, profile.Place{File: r.File, Line: r.Line}.String())
	}
	if object := strings.TrimSpace(r.Object + " " + r.Field); object != "" {
		steps = append(steps, object)
	}
	return fmt.Sprintf("%s (%s, %s)", strings.Join(steps, " → "), r.Rule, r.Sure)
}
