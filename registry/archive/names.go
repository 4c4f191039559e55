package archive

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// UnnamedError is an ErrInvalid: images have no name, and none was given, or one for
// several.
type UnnamedError struct {
	Images int    // without a name
	Tag    string // of one of them, when the archive tells that; may be empty
	Given  string // Options.Name
}

func (e *UnnamedError) Error() string {
	switch {
	case e.Given != "":
		return fmt.Sprintf("%v: %d images have no name, and %s can be one only", registry.ErrInvalid, e.Images, e.Given)
	case e.Tag != "":
		return fmt.Sprintf("%v: of the image only the tag %s is known; say of which repository it is", registry.ErrInvalid, e.Tag)
	case e.Images > 1:
		return fmt.Sprintf("%v: %d images have no name; save them with their names", registry.ErrInvalid, e.Images)
	}
	return fmt.Sprintf("%v: the image has no name; give it one", registry.ErrInvalid)
}

// Is makes the error an ErrInvalid.
func (e *UnnamedError) Is(target error) bool { return target == registry.ErrInvalid }

// link gives all images their names and puts the graph together.
func (a *Archive) link() error {
	for _, d := range slices.Sorted(maps.Keys(a.manifests)) {
		if n := a.manifests[d]; n != nil && n.Manifest.Subject != nil {
			subject := n.Manifest.Subject.Digest
			a.subjects[subject] = append(a.subjects[subject], n.Descriptor)
		}
	}
	names, err := a.told(nil, a.images)
	if err != nil {
		return err
	}
	a.build(names)
	unnamed := a.unnamed()
	if len(unnamed) > 0 && a.options.Name == "" {
		return &UnnamedError{Images: len(unnamed), Tag: unnamed[0].tag}
	}
	if a.options.Name != "" {
		given, err := a.given(unnamed)
		if err != nil {
			return err
		}
		if names, err = a.told(names, given); err != nil {
			return err
		}
		a.build(names)
	}
	for i, n := range a.graph.Manifests {
		a.manifests[n.Descriptor.Digest] = &a.graph.Manifests[i]
	}
	return nil
}

func (a *Archive) build(names []registry.Name) {
	a.graph = registry.BuildGraph(names, func(d digest.Digest) *registry.Node { return a.manifests[d] },
		func(_ string, d digest.Digest) []registry.Descriptor { return a.subjects[d] })
}

// unnamed are the images that no name reaches, without what refers to one that the
// archive has: it goes where that goes.
func (a *Archive) unnamed() (list []image) {
	reached := map[digest.Digest]bool{}
	for _, n := range a.graph.Manifests {
		reached[n.Descriptor.Digest] = true
	}
	for _, i := range a.images {
		subject := a.manifests[i.descriptor.Digest].Manifest.Subject
		if !reached[i.descriptor.Digest] && (subject == nil || a.manifests[subject.Digest] == nil) {
			list = append(list, i)
		}
	}
	return list
}

// told adds the names that images have.
func (a *Archive) told(names []registry.Name, images []image) ([]registry.Name, error) {
	for _, i := range images {
		for _, ref := range i.names {
			if ref.Digest != "" && ref.Digest != i.descriptor.Digest {
				return nil, fmt.Errorf("%s: %w: the archive has %s under this name", ref, registry.ErrInvalid, i.descriptor.Digest)
			}
			tag := registry.Ref{Repository: ref.Repository, Tag: ref.Tag}
			if other, known := a.tags[tag]; known && tag.Tag != "" && other != i.descriptor.Digest {
				return nil, fmt.Errorf("%s: %w: it stands for %s and for %s", tag, registry.ErrInvalid, other, i.descriptor.Digest)
			}
			a.tags[tag] = i.descriptor.Digest
			names = append(names, registry.Name{Ref: ref, Descriptor: i.descriptor})
		}
	}
	return names, nil
}

// given is what the images without a name are called.
func (a *Archive) given(unnamed []image) ([]image, error) {
	text := a.options.Name
	ref, err := registry.ParseRef(text)
	if err != nil {
		return nil, err
	}
	if len(unnamed) == 0 {
		return nil, fmt.Errorf("%w: name %s: all images have names", registry.ErrInvalid, text)
	}
	whole := strings.Contains(text[strings.LastIndexByte(text, '/')+1:], ":") || ref.Digest != ""
	var named []image
	meant := map[string]bool{}
	for _, i := range unnamed {
		name := ref
		if !whole && i.tag != "" {
			name.Tag = i.tag
		}
		if meant[name.Tag] {
			return nil, &UnnamedError{Images: len(unnamed), Given: text}
		}
		meant[name.Tag] = true
		named = append(named, image{names: []registry.Ref{name}, descriptor: i.descriptor})
	}
	return named, nil
}
