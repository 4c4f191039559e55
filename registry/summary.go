package registry

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Summary is what a person wants to know about one name.
type Summary struct {
	Name      string            `json:"name"`
	Digest    digest.Digest     `json:"digest"`
	MediaType string            `json:"mediaType"`
	Size      int64             `json:"size"` // bytes of all content under the name, each digest once
	Platforms []PlatformSummary `json:"platforms"`
	Referrers []Referrer        `json:"referrers,omitempty"`
}

// PlatformSummary is one runnable image of a name.
type PlatformSummary struct {
	Platform string        `json:"platform"`
	Digest   digest.Digest `json:"digest"`
	Size     int64         `json:"size"`             // bytes of the image: manifest, config, layers
	Absent   bool          `json:"absent,omitempty"` // named by the index, and left out when it was carried
	Layers   []Descriptor  `json:"layers,omitempty"` // in order
}

// Referrer is something that is tied to a manifest of the name: a signature,
// an SBOM, an attestation.
type Referrer struct {
	Subject      digest.Digest `json:"subject"`
	Digest       digest.Digest `json:"digest"`
	ArtifactType string        `json:"artifactType"`
	Size         int64         `json:"size"`
}

// Sparse reports whether the name's index lists platforms that are not there.
func (s Summary) Sparse() bool {
	return slices.ContainsFunc(s.Platforms, func(p PlatformSummary) bool { return p.Absent })
}

// Summarize describes the names of a graph, in its order. Configs of images
// outside an index are read from src to learn their platform.
func Summarize(ctx context.Context, src Reader, g *Graph) ([]Summary, error) {
	s := summarizer{ctx: ctx, src: src, nodes: map[digest.Digest]*Node{}, referrers: map[digest.Digest][]*Node{}}
	for i := range g.Manifests {
		n := &g.Manifests[i]
		s.nodes[n.Descriptor.Digest] = n
		if subject := n.Manifest.Subject; subject != nil {
			s.referrers[subject.Digest] = append(s.referrers[subject.Digest], n)
		}
	}
	list := make([]Summary, len(g.Names))
	for i, n := range g.Names {
		var err error
		if list[i], err = s.name(n); err != nil {
			return nil, SourceError(n.Ref.String(), err)
		}
	}
	return list, nil
}

type summarizer struct {
	ctx       context.Context
	src       Reader
	nodes     map[digest.Digest]*Node
	referrers map[digest.Digest][]*Node // by subject
}

func (s *summarizer) name(n Name) (Summary, error) {
	d := n.Descriptor
	sum := Summary{Name: n.Ref.String(), Digest: d.Digest, MediaType: d.MediaType, Platforms: []PlatformSummary{}}
	seen := map[digest.Digest]int64{}
	s.reach(n.Ref.Repository, d.Digest, seen, &sum.Referrers)
	for _, size := range seen {
		sum.Size += size
	}
	var err error
	sum.Platforms, err = s.platforms(n.Ref.Repository, d, sum.Platforms)
	return sum, err
}

// reach notes the size of everything under a manifest, and what refers to it.
func (s *summarizer) reach(repository string, d digest.Digest, seen map[digest.Digest]int64, referrers *[]Referrer) {
	n := s.nodes[d]
	if _, known := seen[d]; known || n == nil {
		return
	}
	seen[d] = n.Descriptor.Size
	for _, b := range n.Manifest.Blobs {
		seen[b.Digest] = b.Size
	}
	for _, c := range n.Manifest.Children {
		s.reach(repository, c.Digest, seen, referrers)
	}
	for _, r := range s.referrers[d] {
		if slices.Contains(r.Repositories, repository) {
			*referrers = append(*referrers, Referrer{d, r.Descriptor.Digest, r.Manifest.ArtifactType, r.Descriptor.Size})
			s.reach(repository, r.Descriptor.Digest, seen, referrers)
		}
	}
}

// platforms lists the images under a manifest.
func (s *summarizer) platforms(repository string, d Descriptor, list []PlatformSummary) ([]PlatformSummary, error) {
	n := s.nodes[d.Digest]
	if n == nil {
		if d.Platform != nil && d.Platform.OS != "unknown" {
			list = append(list, PlatformSummary{Platform: PlatformString(*d.Platform), Digest: d.Digest, Absent: true})
		}
		return list, nil
	}
	var err error
	if IsIndex(n.Descriptor.MediaType) {
		for _, c := range n.Manifest.Children {
			if list, err = s.platforms(repository, c, list); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	p := PlatformSummary{Digest: d.Digest, Size: n.Descriptor.Size, Layers: n.Manifest.Blobs[1:]}
	for _, b := range n.Manifest.Blobs {
		p.Size += b.Size
	}
	if p.Platform, err = s.platformOf(repository, d, n.Manifest); p.Platform != "" {
		list = append(list, p)
	}
	return list, err
}

// platformOf is the platform that the index states, else the config's; none
// for what is not an image.
func (s *summarizer) platformOf(repository string, d Descriptor, m *Manifest) (string, error) {
	if d.Platform != nil && d.Platform.OS != "unknown" {
		return PlatformString(*d.Platform), nil
	}
	if d.Platform != nil {
		return "", nil
	}
	p, err := configPlatform(s.ctx, s.src, repository, m)
	if p == nil || err != nil {
		return "", err
	}
	return PlatformString(*p), nil
}

// configPlatform is the platform that an image's config states; nil when it
// states none, or the manifest is no image's.
func configPlatform(ctx context.Context, src Reader, repository string, m *Manifest) (*Platform, error) {
	config := m.Blobs[0]
	if !statesPlatform(config) {
		return nil, nil
	}
	content, err := ReadBlob(ctx, src, repository, config)
	if err != nil {
		return nil, err
	}
	var p Platform
	if json.Unmarshal(content, &p) != nil || p.OS == "" || p.Architecture == "" {
		return nil, nil
	}
	return &p, nil
}

// statesPlatform reports whether a config is read for its platform.
func statesPlatform(config Descriptor) bool {
	return config.Size <= MaxManifestSize && strings.Contains(config.MediaType, "image")
}

// PlatformConfigs lists the blobs that Summarize reads of a graph.
func PlatformConfigs(g *Graph) (list []Descriptor) {
	bare := map[digest.Digest]bool{}
	for _, n := range g.Names {
		bare[n.Descriptor.Digest] = true
	}
	for _, n := range g.Manifests {
		for _, c := range n.Manifest.Children {
			bare[c.Digest] = bare[c.Digest] || c.Platform == nil
		}
	}
	for _, n := range g.Manifests {
		if bare[n.Descriptor.Digest] && !IsIndex(n.Descriptor.MediaType) && statesPlatform(n.Manifest.Blobs[0]) {
			list = append(list, n.Manifest.Blobs[0])
		}
	}
	return list
}
