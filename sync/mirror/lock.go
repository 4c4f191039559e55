package mirror

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
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
//	mirrors:
//	  team:
//	    registry.example.com/team/app:v1: sha256:…
//	beside:                                       # signatures and the like
//	  registry.example.com/team/app:v1:
//	    - sha256:…                                # referrers, by digest
//	    - sha256-….sig@sha256:…                   # tags made from a digest
const lockVersion = "1"

// Lock is what the tags that each mirror chose stood for when it was made, and what
// belonged to them. Two runs with one lock bring the same content, wherever the tags
// have moved.
type Lock struct {
	mirrors []string                // ascending
	entries []lockEntry             // by mirror, repository and tag
	beside  map[registry.Ref]beside // by name
}

type lockEntry struct {
	mirror, repository, tag string
	digest                  digest.Digest
}

func (e lockEntry) ref() registry.Ref {
	return registry.Ref{Repository: e.repository, Tag: e.tag}
}

// beside is what belongs to an image without being named by it.
type beside struct {
	referrers  []digest.Digest
	companions []registry.Ref // tag and digest
}

// Locked is the lock of a plan: of all images that could be found.
func (p *Plan) Locked() *Lock {
	l := &Lock{beside: map[registry.Ref]beside{}}
	for _, m := range p.Mirrors {
		if !m.OnDemand {
			l.mirrors = append(l.mirrors, m.Name)
		}
	}
	for k := range p.Images {
		i := &p.Images[k]
		if i.Digest == "" || i.Action == Fail || i.Action == Refuse {
			continue
		}
		l.entries = append(l.entries, lockEntry{i.Mirror, i.from.Repository, i.from.Tag, i.Digest})
		if i.graph != nil {
			l.beside[i.from] = besideOf(i.graph, i.from)
		}
	}
	l.sort()
	return l
}

func besideOf(g *registry.Graph, image registry.Ref) (b beside) {
	for _, n := range g.Names {
		if n.Ref.Tag != image.Tag {
			b.companions = append(b.companions, registry.Ref{Repository: n.Ref.Repository, Tag: n.Ref.Tag, Digest: n.Descriptor.Digest})
		}
	}
	for _, n := range g.Manifests {
		if n.Manifest.Subject != nil {
			b.referrers = append(b.referrers, n.Descriptor.Digest)
		}
	}
	slices.Sort(b.referrers)
	return b
}

func (l *Lock) sort() {
	slices.Sort(l.mirrors)
	slices.SortFunc(l.entries, lockEntry.compare)
}

func (e lockEntry) compare(other lockEntry) int {
	return cmp.Or(cmp.Compare(e.mirror, other.mirror), cmp.Compare(e.repository, other.repository), cmp.Compare(e.tag, other.tag))
}

// knows reports whether a mirror was there when the lock was made.
func (l *Lock) knows(mirror string) bool { return slices.Contains(l.mirrors, mirror) }

// of are the entries of a mirror's repository; of all its repositories when that is
// empty.
func (l *Lock) of(mirror, repository string) (list []lockEntry) {
	at, _ := slices.BinarySearchFunc(l.entries, lockEntry{mirror: mirror, repository: repository}, lockEntry.compare)
	for ; at < len(l.entries); at++ {
		e := l.entries[at]
		if e.mirror != mirror || repository != "" && e.repository != repository {
			break
		}
		list = append(list, e)
	}
	return list
}

// repositories are those of the lock that a mirror still means.
func (l *Lock) repositories(m *config.Mirror) (list []string) {
	for _, e := range l.of(m.Name, "") {
		if m.Means(e.repository) {
			list = append(list, e.repository)
		}
	}
	return list
}

// companions are the names that go with an image.
func (l *Lock) companions(image registry.Ref) []registry.Ref { return l.beside[image].companions }

// referrer chooses what is tied to an image: what the lock has. Companions are
// names of their own.
func (l *Lock) referrer(image registry.Ref) func(registry.Descriptor) bool {
	list := l.beside[image].referrers
	return func(d registry.Descriptor) bool { return d.Digest != "" && slices.Contains(list, d.Digest) }
}

// Len is how many tags are locked.
func (l *Lock) Len() int { return len(l.entries) }

// Marshal is the form that ParseLock reads; the same lock is always the same bytes.
func (l *Lock) Marshal() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "version: %s\nmirrors:%s\n", lockVersion, unless(len(l.mirrors) > 0, " {}"))
	for _, m := range l.mirrors {
		entries := l.of(m, "")
		fmt.Fprintf(&b, "  %s:%s\n", m, unless(len(entries) > 0, " {}"))
		for _, e := range entries {
			fmt.Fprintf(&b, "    %s: %s\n", e.ref(), e.digest)
		}
	}
	began := false
	for _, image := range slices.SortedFunc(maps.Keys(l.beside), func(a, b registry.Ref) int { return cmp.Compare(a.String(), b.String()) }) {
		at := l.beside[image]
		if len(at.referrers)+len(at.companions) == 0 {
			continue
		}
		if !began {
			b.WriteString("beside:\n")
			began = true
		}
		fmt.Fprintf(&b, "  %s:\n", image)
		for _, d := range at.referrers {
			fmt.Fprintf(&b, "    - %s\n", d)
		}
		for _, c := range at.companions {
			fmt.Fprintf(&b, "    - %s@%s\n", c.Tag, c.Digest)
		}
	}
	return b.Bytes()
}

// unless is a text, or nothing.
func unless(not bool, text string) string {
	if not {
		return ""
	}
	return text
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
	fields, err := strictyaml.ReadFields(content, maxLock, registry.ErrInvalid, lockVersion, "mirrors", "beside")
	if err != nil {
		return nil, err
	}
	mirrors, ok := fields["mirrors"]
	if !ok {
		return nil, fmt.Errorf("%w: mirrors is missing", registry.ErrInvalid)
	}
	entries, err := mirrors.Entries()
	if err != nil {
		return nil, err
	}
	l := &Lock{beside: map[registry.Ref]beside{}}
	names := map[string]bool{}
	for _, e := range entries {
		l.mirrors = append(l.mirrors, e.Key)
		if err := l.parseMirror(e.Key, e.Value, names); err != nil {
			return nil, err
		}
	}
	if f, ok := fields["beside"]; ok {
		if err := l.parseBeside(f, names); err != nil {
			return nil, err
		}
	}
	l.sort()
	return l, nil
}

// parseMirror reads what one mirror chose, and adds the names to those of all.
func (l *Lock) parseMirror(mirror string, f strictyaml.Field, names map[string]bool) error {
	if _, err := config.ParseName(mirror); err != nil {
		return f.Errorf("%.80q: %v", mirror, err)
	}
	entries, err := f.Entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		ref, err := parseLocked(e.Key)
		if err != nil {
			return e.Value.Errorf("%v", err)
		}
		d, err := strictyaml.Text(e.Value, registry.ParseDigest)
		if err != nil {
			return err
		}
		names[e.Key] = true
		l.entries = append(l.entries, lockEntry{mirror, ref.Repository, ref.Tag, d})
	}
	return nil
}

func (l *Lock) parseBeside(f strictyaml.Field, names map[string]bool) error {
	entries, err := f.Entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !names[e.Key] {
			return e.Value.Errorf("%.80q is not among the images", e.Key)
		}
		image, err := parseLocked(e.Key)
		if err != nil {
			return e.Value.Errorf("%v", err)
		}
		list, err := strictyaml.List(e.Value, func(text string) (registry.Ref, error) { return parseBesideOne(image.Repository, text) })
		if err != nil {
			return err
		}
		at := beside{}
		for _, ref := range list {
			if ref.Tag == "" {
				at.referrers = append(at.referrers, ref.Digest)
			} else {
				at.companions = append(at.companions, ref)
			}
		}
		l.beside[image] = at
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
