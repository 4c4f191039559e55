package resolve

import (
	"cmp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/match"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/find"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/registry"
)

// siteRegistry stands for the site's registry while nobody knows its address.
const siteRegistry = "site-registry.invalid"

// ruleProfile is the rule of what the profile lists itself.
const ruleProfile = "profile"

// candidate is an image with all places where it was found.
type candidate struct {
	ref       registry.Ref
	digests   []digest.Digest // that it was found with; a tag has one meaning
	reasons   []definition.Reason
	platforms []registry.Platform // that its layers are limited to; meaningless with all
	all       bool                // a layer without limits has it
}

// sure is the best of its reasons.
func (c *candidate) sure() find.Sure {
	best := find.Doubtful
	for _, r := range c.reasons {
		if r.Sure.Rank() < best.Rank() {
			best = r.Sure
		}
	}
	return best
}

// at is the image by the digest that it was found with, or that a lock has; by its tag
// without either.
func (c *candidate) at(locked digest.Digest) registry.Ref {
	ref := c.ref
	ref.Digest = cmp.Or(ref.Digest, locked)
	return ref
}

// onlyDeclared reports whether nothing that was rendered uses it.
func (c *candidate) onlyDeclared() bool {
	return !slices.ContainsFunc(c.reasons, func(r definition.Reason) bool { return r.Rule != ruleProfile })
}

// nameOf is how a definition calls an image: by its tag, when it has one.
func nameOf(ref registry.Ref) string {
	if ref.Tag != "" {
		ref.Digest = ""
	}
	return ref.String()
}

// note adds a place where an image was found. The first of several renderings that
// say the same at one place counts.
func (b *builder) note(l *profile.Layer, ref registry.Ref, r definition.Reason) {
	name := nameOf(ref)
	c := b.candidates[name]
	if c == nil {
		c = &candidate{ref: ref}
		b.candidates[name] = c
	}
	if ref.Digest != "" && !slices.Contains(c.digests, ref.Digest) {
		c.digests = append(c.digests, ref.Digest)
		c.ref.Digest = ref.Digest
	}
	if len(l.Platforms) == 0 {
		c.all = true
	}
	for _, p := range l.Platforms {
		if !slices.ContainsFunc(c.platforms, func(o registry.Platform) bool { return registry.PlatformString(o) == registry.PlatformString(p) }) {
			c.platforms = append(c.platforms, p)
		}
	}
	same := func(o definition.Reason) bool { o.Set, o.Line = r.Set, r.Line; return o == r }
	if !slices.ContainsFunc(c.reasons, same) {
		c.reasons = append(c.reasons, r)
	}
}

// take sorts finds: candidates, and what is left out and why.
func (b *builder) take(l *profile.Layer, at definition.Reason, tests bool, finds []find.Find) error {
	ignore, err := ignored(l)
	if err != nil {
		return err
	}
	for _, f := range finds {
		r := at
		r.File, r.Line, r.Object, r.Field, r.Rule, r.Sure = f.File, f.Line, f.Object, f.Field, f.Rule, f.Sure
		ref, err := registry.ParseRef(f.Image)
		switch {
		case f.Test && !tests:
			b.leave(f.Image, "only a test of the chart runs it; tests: true takes it along", r)
		case err != nil && f.Sure != find.Certain:
			b.leave(f.Image, "no name of an image", r)
		case err != nil:
			return placeError(r, err)
		default:
			if reason, is := ignore(ref); is {
				b.leave(f.Image, "the profile ignores it: "+reason, r)
				continue
			}
			if strings.HasPrefix(ref.Repository, siteRegistry+"/") {
				return placeError(r, errSiteName(f.Image))
			}
			b.note(l, ref, r)
		}
	}
	return nil
}

func (b *builder) leave(text, why string, r definition.Reason) {
	same := func(o definition.Left) bool {
		return o.Text == text && o.Why == why && o.Layer == r.Layer && o.Chart == r.Chart && o.File == r.File && o.Field == r.Field
	}
	if !slices.ContainsFunc(b.definition.Left, same) {
		b.definition.Left = append(b.definition.Left, definition.Left{Text: text, Why: why, Reason: r})
	}
}

// ignored makes the question whether a layer ignores an image.
func ignored(l *profile.Layer) (func(registry.Ref) (string, bool), error) {
	compiler := match.NewCompiler()
	var globs []match.Glob
	for _, i := range l.Ignore {
		g, err := compiler.Glob(i.Image, func(string) error { return nil })
		if err != nil {
			return nil, atError(i.At, err)
		}
		globs = append(globs, g)
	}
	return func(ref registry.Ref) (string, bool) {
		for i, g := range globs {
			if g.Match(ref.Repository) {
				return cmp.Or(l.Ignore[i].Reason, "without a reason"), true
			}
		}
		return "", false
	}, nil
}

func compareReasons(a, b definition.Reason) int {
	return cmp.Or(cmp.Compare(a.Sure.Rank(), b.Sure.Rank()), strings.Compare(a.Layer, b.Layer), strings.Compare(a.Chart, b.Chart),
		strings.Compare(a.Set, b.Set), strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Object, b.Object),
		strings.Compare(a.Field, b.Field), strings.Compare(a.Rule, b.Rule))
}
