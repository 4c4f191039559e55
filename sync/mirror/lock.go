package mirror

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/strictyaml"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/sync/config"
)

// maxLock bounds a lock, in bytes.
const maxLock = 64 << 20

// lockVersion of the format:
//
//	version: 1
//	images:
//	  registry.example.com/team/app:v1: sha256:…
//	beside:                                       # signatures and the like
//	  registry.example.com/team/app:v1:
//	    - sha256:…                                # referrers, by digest
//	    - sha256-….sig@sha256:…                   # tags made from a digest
const lockVersion = "1"

// Lock is what tags stood for when it was made, and what belonged to them. Two
// runs with one lock bring the same content, wherever the tags have moved.
type Lock struct {
	entries []lockEntry // by name
}

type lockEntry struct {
	repository, tag string
	digest          digest.Digest
	referrers       []digest.Digest
	companions      []registry.Ref // tag and digest
}

func (e lockEntry) ref() registry.Ref {
	return registry.Ref{Repository: e.repository, Tag: e.tag}
}

// Locked is the lock of a plan: of all images that could be found.
func (p *Plan) Locked() *Lock {
	l := &Lock{}
	for k := range p.Images {
		i := &p.Images[k]
		if i.Digest == "" || i.Action == Fail || i.Action == Refuse {
			continue
		}
		e := lockEntry{repository: i.from.Repository, tag: i.from.Tag, digest: i.Digest}
		if i.graph != nil {
			e.beside(i.graph, i.from)
		}
		l.entries = append(l.entries, e)
	}
	l.sort()
	return l
}

// beside notes what came with an image without being named by it.
func (e *lockEntry) beside(g *registry.Graph, image registry.Ref) {
	for _, n := range g.Names {
		if n.Ref.Tag != image.Tag {
			e.companions = append(e.companions, registry.Ref{Repository: n.Ref.Repository, Tag: n.Ref.Tag, Digest: n.Descriptor.Digest})
		}
	}
	for _, n := range g.Manifests {
		if n.Manifest.Subject != nil {
			e.referrers = append(e.referrers, n.Descriptor.Digest)
		}
	}
	slices.Sort(e.referrers)
}

func (l *Lock) sort() {
	slices.SortFunc(l.entries, func(a, b lockEntry) int {
		return cmp.Or(cmp.Compare(a.repository, b.repository), cmp.Compare(a.tag, b.tag))
	})
	l.entries = slices.CompactFunc(l.entries, func(a, b lockEntry) bool { return a.ref() == b.ref() })
}

// of are the entries of a repository.
func (l *Lock) of(repository string) (list []lockEntry) {
	at, _ := l.find(registry.Ref{Repository: repository})
	for ; at < len(l.entries) && l.entries[at].repository == repository; at++ {
		list = append(list, l.entries[at])
	}
	return list
}

// find is where an entry is, or would be.
func (l *Lock) find(ref registry.Ref) (at int, found bool) {
	return slices.BinarySearchFunc(l.entries, ref, func(e lockEntry, ref registry.Ref) int {
		return cmp.Or(cmp.Compare(e.repository, ref.Repository), cmp.Compare(e.tag, ref.Tag))
	})
}

// repositories are those of the lock that a mirror means.
func (l *Lock) repositories(m *config.Mirror) (list []string) {
	for _, e := range l.entries {
		if m.Means(e.repository) {
			list = append(list, e.repository)
		}
	}
	return list
}

func (l *Lock) entry(ref registry.Ref) lockEntry {
	if at, found := l.find(ref); found {
		return l.entries[at]
	}
	return lockEntry{}
}

// companions are the names that go with an image.
func (l *Lock) companions(image registry.Ref) []registry.Ref { return l.entry(image).companions }

// referrer chooses what is tied to an image: what the lock has. Companions are
// names of their own.
func (l *Lock) referrer(image registry.Ref) func(registry.Descriptor) bool {
	list := l.entry(image).referrers
	return func(d registry.Descriptor) bool { return d.Digest != "" && slices.Contains(list, d.Digest) }
}

// Len is how many tags are locked.
func (l *Lock) Len() int { return len(l.entries) }

// Marshal is the form that ParseLock reads; the same lock is always the same bytes.
func (l *Lock) Marshal() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "version: %s\nimages:\n", lockVersion)
	if len(l.entries) == 0 {
		b.Truncate(b.Len() - 1)
		b.WriteString(" {}\n")
	}
	for _, e := range l.entries {
		fmt.Fprintf(&b, "  %s: %s\n", e.ref(), e.digest)
	}
	began := false
	for _, e := range l.entries {
		if len(e.referrers)+len(e.companions) == 0 {
			continue
		}
		if !began {
			b.WriteString("beside:\n")
			began = true
		}
		fmt.Fprintf(&b, "  %s:\n", e.ref())
		for _, d := range e.referrers {
			fmt.Fprintf(&b, "    - %s\n", d)
		}
		for _, c := range e.companions {
			fmt.Fprintf(&b, "    - %s@%s\n", c.Tag, c.Digest)
		}
	}
	return b.Bytes()
}

// Write writes the lock to a file, durably.
func (l *Lock) Write(path string) error { return durable.WriteFile(path, l.Marshal(), 0o644) }

// ParseLock reads a lock; errors wrap registry.ErrInvalid and tell line and column.
func ParseLock(name string, content []byte) (*Lock, error) {
	l, err := parseLock(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return l, nil
}

func parseLock(content []byte) (*Lock, error) {
	fields, err := strictyaml.ReadFields(content, maxLock, registry.ErrInvalid, lockVersion, "images", "beside")
	if err != nil {
		return nil, err
	}
	images, ok := fields["images"]
	if !ok {
		return nil, fmt.Errorf("%w: images is missing", registry.ErrInvalid)
	}
	entries, err := images.Entries()
	if err != nil {
		return nil, err
	}
	l := &Lock{}
	at := map[string]int{}
	for _, e := range entries {
		ref, err := parseLocked(e.Key)
		if err != nil {
			return nil, e.Value.Errorf("%v", err)
		}
		d, err := strictyaml.Text(e.Value, registry.ParseDigest)
		if err != nil {
			return nil, err
		}
		at[e.Key] = len(l.entries)
		l.entries = append(l.entries, lockEntry{repository: ref.Repository, tag: ref.Tag, digest: d})
	}
	if f, ok := fields["beside"]; ok {
		if err := l.parseBeside(f, at); err != nil {
			return nil, err
		}
	}
	l.sort()
	return l, nil
}

func (l *Lock) parseBeside(f strictyaml.Field, at map[string]int) error {
	entries, err := f.Entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		k, ok := at[e.Key]
		if !ok {
			return e.Value.Errorf("%.80q is not among the images", e.Key)
		}
		list, err := strictyaml.List(e.Value, func(text string) (registry.Ref, error) { return parseBesideOne(l.entries[k].repository, text) })
		if err != nil {
			return err
		}
		for _, ref := range list {
			if ref.Tag == "" {
				l.entries[k].referrers = append(l.entries[k].referrers, ref.Digest)
			} else {
				l.entries[k].companions = append(l.entries[k].companions, ref)
			}
		}
	}
	return nil
}

// parseLocked wants a repository with a tag.
func parseLocked(name string) (registry.Ref, error) {
	ref, err := registry.ParseName(name)
	if err == nil && (ref.Tag == "" || ref.Digest != "") {
		err = errors.New("want REPOSITORY:TAG")
	}
	return ref, err
}

// parseBesideOne reads a digest, or a tag made from one with its digest.
func parseBesideOne(repository, text string) (ref registry.Ref, err error) {
	tag, d, tagged := strings.Cut(text, "@")
	if !tagged {
		tag, d = "", text
	} else if !companion.MatchString(tag) {
		return ref, errors.New("not a tag that is made from a digest")
	}
	ref = registry.Ref{Repository: repository, Tag: tag}
	ref.Digest, err = registry.ParseDigest(d)
	return ref, err
}
