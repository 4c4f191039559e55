package trust

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// maxSigned bounds a signed document or a Sigstore bundle of an image, in bytes.
const maxSigned = 1 << 20

// JudgeImage tries the signatures that src has of an image, in both places where
// cosign puts them, with the keys of the rule; now is the latest time that is
// certain. What is found out is in the verdict; an error means that nothing could
// be found out.
func (r *ImageRule) JudgeImage(ctx context.Context, src registry.Reader, repository string, d digest.Digest, now time.Time) (ImageVerdict, error) {
	j := &imageJudge{src: src, rule: r, now: now, verdict: ImageVerdict{Repository: repository, Digest: d}}
	err := j.judge(ctx)
	return j.verdict, err
}

type imageJudge struct {
	src     registry.Reader
	rule    *ImageRule
	now     time.Time
	verdict ImageVerdict
}

func (j *imageJudge) judge(ctx context.Context) error {
	d := j.verdict.Digest
	tag := registry.Ref{Repository: j.verdict.Repository, Tag: registry.SignatureTag(d)}
	if err := j.each(ctx, tag, SimpleSigning, func(layer registry.Descriptor, content []byte) {
		signature, err := base64.StdEncoding.DecodeString(strings.TrimSpace(layer.Annotations[SimpleSignature]))
		j.rule.Judge(&j.verdict, j.now, func(k Key) error {
			if err != nil {
				return fmt.Errorf("%w: annotation %s: %w", registry.ErrInvalid, SimpleSignature, err)
			}
			return k.VerifySimple(d, content, signature)
		})
	}); err != nil && !errors.Is(err, registry.ErrNotFound) {
		return err
	}
	referrers, err := j.src.Referrers(ctx, j.verdict.Repository, d)
	if err != nil {
		return err
	}
	for _, r := range referrers {
		if r.ArtifactType != BundleArtifact {
			continue
		}
		ref := registry.Ref{Repository: j.verdict.Repository, Digest: r.Digest}
		if err := j.each(ctx, ref, BundleArtifact, func(_ registry.Descriptor, content []byte) {
			j.rule.Judge(&j.verdict, j.now, func(k Key) error { return k.VerifyBundle(d, content) })
		}); err != nil {
			return err
		}
	}
	return nil
}

// each reads the layers of a type of a manifest.
func (j *imageJudge) each(ctx context.Context, ref registry.Ref, mediaType string, judge func(layer registry.Descriptor, content []byte)) error {
	d, content, err := j.src.Manifest(ctx, ref)
	if err != nil {
		return err
	}
	m, err := registry.ParseManifest(d.MediaType, content)
	if err != nil {
		return err
	}
	for _, layer := range m.Blobs {
		if layer.MediaType != mediaType || !isSigned(layer) {
			continue
		}
		signed, err := registry.ReadBlob(ctx, j.src, ref.Repository, layer)
		if err != nil {
			return err
		}
		judge(layer, signed)
	}
	return nil
}

// isSigned reports whether a layer is one that is read to judge an image.
func isSigned(layer registry.Descriptor) bool {
	return (layer.MediaType == SimpleSigning || layer.MediaType == BundleArtifact) && layer.Size <= maxSigned
}

// SignatureLayers lists the blobs of a manifest that JudgeImage may read.
func SignatureLayers(m *registry.Manifest) (list []registry.Descriptor) {
	for _, layer := range m.Blobs {
		if isSigned(layer) {
			list = append(list, layer)
		}
	}
	return list
}
