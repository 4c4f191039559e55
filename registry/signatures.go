package registry

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Before the referrers API, cosign kept what belongs to a manifest under tags
// made from its digest: sha256-<hex>.sig, .att and .sbom. They are names of
// their own and travel as such.
var signatureSuffixes = []string{".sig", ".att", ".sbom"}

// signatureTag is cosign's tag for a digest, without suffix; it is also the
// referrers tag of the OCI distribution-spec ("Referrers Tag Schema").
func signatureTag(d digest.Digest) string {
	return d.Algorithm().String() + "-" + d.Encoded()
}

// SignatureTag is the tag under which cosign keeps a manifest's signatures.
func SignatureTag(d digest.Digest) string { return signatureTag(d) + ".sig" }

// IsSignatureTag reports whether a tag holds what belongs to another manifest.
func IsSignatureTag(tag string) bool {
	for _, suffix := range signatureSuffixes {
		if subject, ok := strings.CutSuffix(tag, suffix); ok {
			_, err := ParseDigest(strings.Replace(subject, "-", ":", 1))
			return err == nil
		}
	}
	return false
}

// CompanionTags are the tags under which cosign keeps what belongs to a manifest.
func CompanionTags(d digest.Digest) (tags []string) {
	for _, suffix := range signatureSuffixes {
		tags = append(tags, signatureTag(d)+suffix)
	}
	return tags
}

// CompanionType is the artifact type that cosign gives as a referrer to what it
// keeps under such a tag.
func CompanionType(tag string) string {
	return "application/vnd.dev.cosign.artifact" + tag[strings.LastIndexByte(tag, '.'):] + ".v1+json"
}

// signatureTags is the one look at a repository's tags that a walk takes.
type signatureTags struct {
	once   sync.Once
	listed bool // false: they have to be asked for one by one
	tags   []string
}

// signatures adds the names that hold a manifest's signatures to the walk.
func (w *walker) signatures(ctx context.Context, repository string, d digest.Digest) error {
	tags := CompanionTags(d)
	if w.opts.Referrer != nil {
		tags = slices.DeleteFunc(tags, func(tag string) bool { return !w.opts.Referrer(Descriptor{ArtifactType: CompanionType(tag)}) })
	}
	if len(tags) == 0 {
		return nil
	}
	known := w.signatureTagsOf(ctx, repository)
	for _, tag := range tags {
		ref := Ref{Repository: repository, Tag: tag}
		if known.listed && !slices.Contains(known.tags, ref.Tag) {
			continue
		}
		name, err := w.name(ctx, ref)
		if errors.Is(err, ErrNotFound) && !known.listed {
			continue
		}
		if err != nil {
			return err
		}
		w.mu.Lock()
		w.extra = append(w.extra, name)
		w.mu.Unlock()
	}
	return nil
}

// signatureTagsOf lists the repository's tags from "sha256-" on, once. A
// source that cannot list, or refuses to, is asked for each tag instead.
func (w *walker) signatureTagsOf(ctx context.Context, repository string) *signatureTags {
	w.mu.Lock()
	s := w.signed[repository]
	if s == nil {
		s = &signatureTags{}
		w.signed[repository] = s
	}
	w.mu.Unlock()
	s.once.Do(func() {
		lister, ok := w.src.(Lister)
		if !ok {
			return
		}
		_ = w.slot(ctx, func() error { return s.list(ctx, lister, repository) })
	})
	return s
}

func (s *signatureTags) list(ctx context.Context, lister Lister, repository string) error {
	for _, algorithm := range []string{"sha256-", "sha512-"} {
		for tag, err := range lister.Tags(ctx, repository, algorithm) {
			if err != nil {
				return err
			}
			if !strings.HasPrefix(tag, algorithm) {
				break
			}
			s.tags = append(s.tags, tag)
		}
	}
	s.listed = true
	return nil
}
