package browse

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

// Artifact is what is behind a name. What cannot be told of it, because it is
// damaged or not there, is missing here and among the problems.
type Artifact struct {
	Name         string             `json:"name" doc:"The name that was asked for"`
	Repository   string             `json:"repository"`
	Digest       digest.Digest      `json:"digest"`
	MediaType    string             `json:"mediaType"`
	ArtifactType string             `json:"artifactType,omitempty" doc:"Where there is none, the media type of the config"`
	Kind         Kind               `json:"kind" enum:"image,index,chart,signature,attestation,sbom,definition,other"`
	Size         int64              `json:"size" doc:"Bytes of the manifest itself"`
	Arrived      time.Time          `json:"arrived,omitzero" doc:"When it was last pushed or brought to the repository"`
	Attached     bool               `json:"attached,omitempty" doc:"It is read from a bundle that is being imported"`
	Damaged      string             `json:"damaged,omitempty" doc:"What is wrong with the manifest: it counts as absent until it is pushed or imported again"`
	Problems     []string           `json:"problems" doc:"What could not be told, and why"`
	Tags         []Tag              `json:"tags" doc:"Of the repository, that point at it"`
	Annotations  map[string]string  `json:"annotations"`
	Subject      digest.Digest      `json:"subject,omitempty" doc:"The manifest that it belongs to"`
	Platforms    []PlatformImage    `json:"platforms" doc:"What an index lists, without what belongs to those"`
	Config       *Blob              `json:"config,omitempty"`
	Image        *ImageConfig       `json:"image,omitempty" doc:"What the config of an image says"`
	Layers       []Blob             `json:"layers" doc:"In their order"`
	Bytes        int64              `json:"bytes" doc:"Of all that it reaches and that is there, each once"`
	UniqueBytes  int64              `json:"uniqueBytes" doc:"Of the blobs that nothing else at the site has"`
	SharedBytes  int64              `json:"sharedBytes" doc:"Of the blobs that something else has, too"`
	Referrers    []ArtifactReferrer `json:"referrers" doc:"What belongs to it"`
	Verdict      *SignatureVerdict  `json:"verdict,omitempty" doc:"What its signatures are worth; absent when nobody asks for any"`
	Roots        []store.Root       `json:"roots" doc:"Why it is kept"`
	Pins         []store.Pin        `json:"pins" doc:"Who has pinned it"`
	Leased       bool               `json:"leased,omitempty" doc:"Somebody was told lately that it is here: so long it stays"`
	More         []string           `json:"more,omitempty" doc:"Lists of this answer that are not complete, because they are too long"`
}

// Tag is one of the tags of an artifact.
type Tag struct {
	Name    string    `json:"name"`
	Updated time.Time `json:"updated,omitzero" doc:"When it was set"`
}

// PlatformImage is one manifest of an index.
type PlatformImage struct {
	Platform  string        `json:"platform" doc:"Empty when the index does not say" example:"linux/arm64/v8"`
	OSVersion string        `json:"osVersion,omitempty"`
	Digest    digest.Digest `json:"digest"`
	MediaType string        `json:"mediaType"`
	Present   bool          `json:"present" doc:"It is here, and not only named"`
	Bytes     int64         `json:"bytes" doc:"Of all that it reaches and that is there"`
}

// Blob is a config or a layer.
type Blob struct {
	Digest       digest.Digest     `json:"digest"`
	MediaType    string            `json:"mediaType"`
	Size         int64             `json:"size" doc:"In bytes, as the manifest says"`
	Present      bool              `json:"present" doc:"The repository has it"`
	Damaged      string            `json:"damaged,omitempty" doc:"What is wrong with it: it counts as absent until it is pushed or imported again"`
	Manifests    int               `json:"manifests" doc:"How many manifests of the site have it; 100 are as many as are counted"`
	Repositories int               `json:"repositories" doc:"How many repositories of the site have it; 100 are as many as are counted"`
	Annotations  map[string]string `json:"annotations,omitempty"`
}

// listed bounds each list of an answer.
const listed = 500

// Artifact tells what is behind a name.
func (b *Browser) Artifact(ctx context.Context, ref registry.Ref) (*Artifact, error) {
	f, err := b.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	v := &visit{Browser: b, found: f, tag: ref.Tag, manifest: &registry.Manifest{}}
	v.head(ref)
	v.parse()
	for _, part := range []func(context.Context) error{v.platforms, v.blobs, v.config, v.size, v.referrers, v.companions, v.verdict, v.kept} {
		if err := v.note(part(ctx)); err != nil {
			return nil, err
		}
	}
	return &v.artifact, nil
}

// visit puts an Artifact together.
type visit struct {
	*Browser
	*found
	tag      string             // that was asked for, or else points at it
	manifest *registry.Manifest // empty when it cannot be read
	artifact Artifact
}

// note makes what is wrong with content a problem of the artifact. Other errors
// it returns.
func (v *visit) note(err error) error {
	for _, known := range []error{registry.ErrNotFound, registry.ErrInvalid, registry.ErrDigest, registry.ErrSize, registry.ErrIncomplete} {
		if errors.Is(err, known) {
			v.artifact.Problems = append(v.artifact.Problems, err.Error())
			return nil
		}
	}
	return err
}

func (v *visit) head(ref registry.Ref) {
	r := v.Record
	a := Artifact{
		Name: ref.String(), Repository: v.repository, Digest: r.Digest, MediaType: r.MediaType, ArtifactType: r.ArtifactType, Size: r.Size,
		Arrived: r.Arrived, Attached: v.inBundle, Damaged: r.Damaged, Problems: []string{}, Tags: []Tag{}, Annotations: map[string]string{},
		Platforms: []PlatformImage{}, Layers: []Blob{}, Referrers: []ArtifactReferrer{}, Roots: []store.Root{}, Pins: []store.Pin{},
	}
	for _, t := range r.Tags {
		a.Tags = append(a.Tags, Tag(t))
		if v.tag == "" || registry.IsSignatureTag(t.Name) {
			v.tag = t.Name
		}
	}
	a.Tags = cut(&a, "tags", a.Tags)
	if r.Annotations != nil {
		a.Annotations = r.Annotations
	}
	v.artifact = a
}

// cut bounds a list of an artifact.
func cut[T any](a *Artifact, name string, list []T) []T {
	if len(list) <= listed {
		return list
	}
	a.More = append(a.More, name)
	return list[:listed]
}

// parse reads the manifest, and tells the artifact's kind.
func (v *visit) parse() {
	a := &v.artifact
	if v.Damaged == "" {
		m, err := registry.ParseManifest(v.MediaType, v.Content)
		if err == nil {
			v.manifest = m
		}
		_ = v.note(err) // ErrInvalid
	}
	if v.manifest.Subject != nil {
		a.Subject = v.manifest.Subject.Digest
	}
	a.Kind = v.kind(v.manifest, v.tag, v.artifact.ArtifactType)
}

// kind is the kind of a manifest that was read.
func (v *visit) kind(m *registry.Manifest, tag, artifactType string) Kind {
	t := traits{tag: tag, mediaType: m.MediaType, artifactType: artifactType, annotations: m.Annotations}
	if len(m.Blobs) > 0 {
		t.layers = m.Blobs[1:]
	}
	if t.mediaType == "" {
		t.mediaType = v.MediaType
	}
	return kindOf(t)
}

// platforms lists what an index has. What BuildKit puts beside an image belongs
// to that.
func (v *visit) platforms(ctx context.Context) error {
	for _, c := range cut(&v.artifact, "platforms", v.manifest.Children) {
		e, err := v.extent(ctx, v.repository, c.Digest)
		present := err == nil
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			if err := v.note(err); err != nil {
				return err
			}
		}
		if subject := c.Annotations[registry.AttestationSubject]; subject != "" {
			v.beside(ctx, c, subject, present)
			continue
		}
		p := PlatformImage{Digest: c.Digest, MediaType: c.MediaType, Present: present, Bytes: e.Bytes}
		if c.Platform != nil {
			p.Platform, p.OSVersion = registry.PlatformString(*c.Platform), c.Platform.OSVersion
		}
		v.artifact.Platforms = append(v.artifact.Platforms, p)
	}
	return nil
}

// blobs tells of the config and the layers who else has them.
func (v *visit) blobs(ctx context.Context) error {
	blobs := v.manifest.Blobs
	if len(blobs) == 0 {
		return nil
	}
	layers := cut(&v.artifact, "layers", blobs[1:])
	var digests []digest.Digest
	for _, d := range blobs[:1+len(layers)] {
		digests = append(digests, d.Digest)
	}
	shares, err := v.store.Sharing(ctx, v.repository, digests)
	if err != nil {
		return err
	}
	describe := func(d registry.Descriptor) Blob {
		s := shares[d.Digest]
		b := Blob{Digest: d.Digest, MediaType: d.MediaType, Size: d.Size, Present: s.Held && s.Damaged == "", Damaged: s.Damaged,
			Manifests: s.Manifests, Repositories: s.Repositories, Annotations: d.Annotations}
		if v.inBundle && !s.Held {
			_, err := v.view.StatBlob(ctx, v.repository, d.Digest)
			b.Present = err == nil
		}
		return b
	}
	config := describe(blobs[0])
	v.artifact.Config = &config
	for _, l := range layers {
		v.artifact.Layers = append(v.artifact.Layers, describe(l))
	}
	return nil
}

// config reads what the config of an image says.
func (v *visit) config(ctx context.Context) error {
	if v.artifact.Kind != Image || len(v.manifest.Blobs) == 0 || kinds[v.manifest.Blobs[0].MediaType] != Image {
		return nil
	}
	content, err := v.Blob(ctx, v.repository, v.manifest.Blobs[0].Digest, maxConfig)
	if err != nil {
		return err
	}
	v.artifact.Image, err = parseConfig(content)
	return err
}

func (v *visit) size(ctx context.Context) error {
	e, err := v.extent(ctx, v.repository, v.Digest)
	if err != nil {
		return err
	}
	v.artifact.Bytes, v.artifact.UniqueBytes = e.Bytes, e.Unique
	v.artifact.SharedBytes = e.BlobBytes - e.Unique
	return nil
}

// kept tells why it is kept. Of what is only attached, nothing is.
func (v *visit) kept(ctx context.Context) error {
	if v.inBundle {
		return nil
	}
	why, err := v.store.Why(ctx, v.Digest)
	if err != nil {
		return err
	}
	a := &v.artifact
	a.Roots, a.Leased = why.Roots, why.Leased
	if why.More {
		a.More = append(a.More, "roots")
	}
	pins, err := v.store.Pins(ctx)
	for _, p := range pins {
		if p.Digest == v.Digest && registry.RepositoryPath(p.Repository) == registry.RepositoryPath(v.repository) {
			a.Pins = append(a.Pins, p)
		}
	}
	return err
}

// Restrict takes out what other repositories tell of an artifact.
func (a *Artifact) Restrict(may func(repository string) bool) {
	a.Roots = slices.DeleteFunc(a.Roots, func(r store.Root) bool { return !may(r.Repository) })
}
