package store

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// place is content in a repository, as the model knows it.
type place struct {
	repository string
	digest     digest.Digest
}

// model is what a store has to hold, as plain as can be.
type model struct {
	tags      map[string]map[string]digest.Digest // by repository
	manifests map[place]bool
	blobs     map[place]bool
	named     map[place]bool
	pins      map[place]bool

	trashManifests, trashBlobs map[place]bool
	known                      map[digest.Digest]shape
}

// shape is what a manifest names.
type shape struct {
	descriptor      registry.Descriptor
	content         []byte
	layers          []string
	blobs, children []digest.Digest
	subject         digest.Digest
}

func newModel() *model {
	return &model{tags: map[string]map[string]digest.Digest{}, manifests: map[place]bool{}, blobs: map[place]bool{}, named: map[place]bool{},
		pins: map[place]bool{}, trashManifests: map[place]bool{}, trashBlobs: map[place]bool{}, known: map[digest.Digest]shape{}}
}

// live is all that the roots reach, also through manifests that the repository
// lacks and the site knows. Blobs stay for manifests that are there.
func (m *model) live() map[place]bool {
	live := map[place]bool{}
	var reach func(p place)
	reach = func(p place) {
		if live[p] {
			return
		}
		live[p] = true
		s := m.known[p.digest]
		for _, d := range s.children {
			reach(place{p.repository, d})
		}
		for _, d := range s.blobs {
			if m.manifests[p] {
				live[place{p.repository, d}] = true
			}
		}
		for d, other := range m.known {
			if other.subject == p.digest {
				reach(place{p.repository, d})
			}
		}
	}
	for repository, tags := range m.tags {
		for _, d := range tags {
			reach(place{repository, d})
		}
	}
	for p := range maps.Keys(m.pins) {
		reach(p)
	}
	for p := range maps.Keys(m.named) {
		if m.manifests[p] {
			reach(p)
		}
	}
	return live
}

func (m *model) collect(now bool) {
	live := m.live()
	for _, c := range []struct{ from, to map[place]bool }{{m.manifests, m.trashManifests}, {m.blobs, m.trashBlobs}} {
		for p := range c.from {
			if !live[p] {
				delete(c.from, p)
				c.to[p] = true
			}
		}
	}
	if now {
		clear(m.trashManifests)
		clear(m.trashBlobs)
		held := map[digest.Digest]bool{}
		for p := range m.manifests {
			held[p.digest] = true
		}
		maps.DeleteFunc(m.known, func(d digest.Digest, _ shape) bool { return !held[d] })
	}
}

func (m *model) undo() {
	maps.Copy(m.manifests, m.trashManifests)
	maps.Copy(m.blobs, m.trashBlobs)
	clear(m.trashManifests)
	clear(m.trashBlobs)
}

// player plays the same random moves on a store and on its model.
type player struct {
	*kit
	*model
	random *rand.Rand
}

var playRepositories = []string{"one/app", "two/app", "three/app"}

func (p *player) repository() string { return playRepositories[p.random.IntN(len(playRepositories))] }

// manifest is any manifest of a repository, false when it has none.
func (p *player) manifest(repository string) (d digest.Digest, ok bool) {
	var list []digest.Digest
	for at := range p.manifests {
		if at.repository == repository {
			list = append(list, at.digest)
		}
	}
	slices.Sort(list)
	if len(list) == 0 {
		return "", false
	}
	return list[p.random.IntN(len(list))], true
}

// store puts a manifest by tag, by companion tag, or by digest alone.
func (p *player) store(repository string, s shape) {
	tag := []string{"", "", "v1", "v2", "v3"}[p.random.IntN(5)]
	if s.subject != "" && p.random.IntN(3) == 0 {
		tag = strings.Replace(s.subject.String(), ":", "-", 1) + ".sig"
	}
	p.put(ref(repository, tag), s.descriptor, s.content)
	d := s.descriptor.Digest
	p.known[d] = s
	p.manifests[place{repository, d}] = true
	if tag != "" {
		p.tag(repository, tag, d)
	}
}

func (p *player) tag(repository, tag string, d digest.Digest) {
	if p.tags[repository] == nil {
		p.tags[repository] = map[string]digest.Digest{}
	}
	p.tags[repository][tag] = d
}

// subject is sometimes a manifest, there or not.
func (p *player) subject(repository string) *registry.Descriptor {
	switch p.random.IntN(4) {
	case 0:
		if d, ok := p.manifest(repository); ok {
			subject := p.known[d].descriptor
			return &subject
		}
	case 1:
		absent := layerOf("absent")
		absent.MediaType = "application/vnd.oci.image.manifest.v1+json"
		return &absent
	}
	return nil
}

func (p *player) pushImage() {
	repository := p.repository()
	var s shape
	for range 1 + p.random.IntN(3) {
		s.layers = append(s.layers, fmt.Sprint("layer ", p.random.IntN(8)))
	}
	subject := p.subject(repository)
	if subject != nil {
		s.subject = subject.Digest
	}
	for _, text := range s.layers {
		s.blobs = append(s.blobs, layerOf(text).Digest)
		p.bring(repository, text)
	}
	s.descriptor, s.content = imageOf(subject, s.layers...)
	p.store(repository, s)
}

// bring makes a blob be in a repository, mounted if it can be.
func (p *player) bring(repository, text string) {
	if p.random.IntN(2) == 0 {
		ok, err := p.Mount(p.t.Context(), repository, "", layerOf(text))
		p.must(err)
		if ok {
			p.blobs[place{repository, layerOf(text).Digest}] = true
			return
		}
	}
	p.blob(repository, text)
	p.blobs[place{repository, layerOf(text).Digest}] = true
}

func (p *player) pushIndex() {
	repository := p.repository()
	var children []registry.Descriptor
	for range p.random.IntN(3) {
		if d, ok := p.manifest(repository); ok && !slices.ContainsFunc(children, func(c registry.Descriptor) bool { return c.Digest == d }) {
			children = append(children, p.known[d].descriptor)
		}
	}
	if p.random.IntN(3) == 0 { // a sparse one
		absent, _ := imageOf(nil, fmt.Sprint("absent ", p.random.IntN(3)))
		children = append(children, absent)
	}
	var s shape
	for _, c := range children {
		s.children = append(s.children, c.Digest)
	}
	subject := p.subject(repository)
	if len(children) > 0 && p.random.IntN(4) == 0 { // a circle
		subject = &children[0]
	}
	if subject != nil {
		s.subject = subject.Digest
	}
	s.descriptor, s.content = indexOf(subject, children...)
	p.store(repository, s)
}

func (p *player) untag() {
	repository := p.repository()
	for tag := range p.tags[repository] {
		p.must(p.Delete(p.t.Context(), ref(repository, tag)))
		delete(p.tags[repository], tag)
		return
	}
}

func (p *player) deleteManifest() {
	repository := p.repository()
	d, ok := p.manifest(repository)
	if !ok {
		return
	}
	err := p.Delete(p.t.Context(), registry.Ref{Repository: repository, Digest: d})
	if pinned := (*PinnedError)(nil); errors.As(err, &pinned) {
		return // what is below a pin is looked at elsewhere
	}
	p.must(err)
	delete(p.manifests, place{repository, d})
	delete(p.named, place{repository, d})
	maps.DeleteFunc(p.tags[repository], func(_ string, at digest.Digest) bool { return at == d })
}

func (p *player) deleteBlob() {
	repository, text := p.repository(), fmt.Sprint("layer ", p.random.IntN(8))
	err := p.DeleteBlob(p.t.Context(), repository, layerOf(text).Digest)
	if err == nil {
		delete(p.blobs, place{repository, layerOf(text).Digest})
	} else if !errors.Is(err, registry.ErrConflict) && !errors.Is(err, registry.ErrNotFound) {
		p.must(err)
	}
}

func (p *player) pin() {
	repository := p.repository()
	if d, ok := p.manifest(repository); ok {
		_, err := p.Pin(p.t.Context(), registry.Ref{Repository: repository, Digest: d}, "test", "because")
		p.must(err)
		p.pins[place{repository, d}] = true
	}
}

func (p *player) unpin() {
	for at := range p.pins {
		p.must(p.Unpin(p.t.Context(), registry.Ref{Repository: at.repository, Digest: at.digest}, "test"))
		delete(p.pins, at)
		return
	}
}

// name makes a digest a name, as an import does.
func (p *player) name() {
	repository := p.repository()
	d, ok := p.manifest(repository)
	if !ok {
		return
	}
	b, err := p.Batch(p.t.Context())
	p.must(err)
	p.must(b.(registry.Namer).PutName(p.t.Context(), registry.Ref{Repository: repository, Digest: d}))
	p.must(b.Commit(p.t.Context()))
	p.must(b.Close())
	p.named[place{repository, d}] = true
}

func (p *player) collectSome() {
	now := p.random.IntN(2) == 0
	report := p.kit.collect(CollectOptions{DryRun: true})
	real := p.kit.collect(CollectOptions{Now: now})
	if report.Manifests != real.Manifests || report.Blobs != real.Blobs || report.Bytes != real.Bytes || !cmp.Equal(report.Repositories, real.Repositories) {
		p.t.Errorf("the dry run said %+v, the real one did %+v", report, real)
	}
	p.model.collect(now)
}

func (p *player) undo() {
	_, err := p.Undo(p.t.Context())
	p.must(err)
	p.model.undo()
}

// compare proves that the store holds what the model does.
func (p *player) compare() {
	p.t.Helper()
	for what, want := range map[string]map[place]bool{"repository_manifests": p.manifests, "repository_blobs": p.blobs} {
		have := map[place]bool{}
		var at place
		p.must(each(p.t.Context(), p.db.Read, []any{&at.repository, &at.digest}, func() { have[at] = true },
			`SELECT r.name, x.digest FROM `+what+` x JOIN repositories r ON r.id = x.repository_id`))
		if diff := cmp.Diff(want, have, cmp.AllowUnexported(place{})); diff != "" {
			p.t.Fatalf("%s (-want +have):\n%s", what, diff)
		}
	}
	for repository, tags := range p.tags {
		for tag, d := range tags {
			got, err := p.Resolve(p.t.Context(), ref(repository, tag))
			if err != nil || got.Digest != d {
				p.t.Fatalf("%s:%s is %s, %v; want %s", repository, tag, got.Digest, err, d)
			}
			if err := p.whole(p.t.Context(), ref(repository, tag)); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	p.intact()
	if p.number(`SELECT count(*) FROM blobs WHERE (unlinked_at IS NULL) <> (digest IN (SELECT digest FROM repository_blobs))`)+
		p.number(`SELECT count(*) FROM manifests WHERE (unlinked_at IS NULL) <> (digest IN (SELECT digest FROM repository_manifests))`) != 0 {
		p.t.Fatal("content is marked unlinked although a repository has it, or the other way round")
	}
}

// Whatever is done in whatever order: what a root reaches stays whole, what
// none reaches goes with the next collection and, at once or after an undo
// that never came, from the disk.
func TestModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			p := &player{newKit(t, noLease), newModel(), rand.New(rand.NewPCG(seed, 7))}
			moves := []func(){p.pushImage, p.pushImage, p.pushImage, p.pushIndex, p.pushIndex, p.untag, p.untag, p.deleteManifest, p.deleteBlob,
				p.pin, p.unpin, p.name, p.collectSome, p.undo}
			for range 120 {
				moves[p.random.IntN(len(moves))]()
				p.compare()
				if t.Failed() {
					return
				}
			}
			p.kit.collect(CollectOptions{Now: true})
			p.model.collect(true)
			p.compare()
			if left := p.number(`SELECT count(*) FROM blobs WHERE unlinked_at IS NOT NULL`) + p.number(`SELECT count(*) FROM manifests WHERE unlinked_at IS NOT NULL`) +
				p.number(`SELECT count(*) FROM trash`); left != 0 {
				t.Errorf("%d rows of trash are left", left)
			}
		})
	}
}
