package bundle

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// maxSigned bounds a signed document or a Sigstore bundle of an image, in bytes.
const maxSigned = 1 << 20

// judgeImages tries the signatures of all names that the policy has a rule for,
// offline: with its keys, and what the bundle carries. All that is refused is
// reported, joined.
func judgeImages(ctx context.Context, policy *trust.Policy, src Source, now time.Time) (list []trust.ImageVerdict, err error) {
	var refused []error
	for _, n := range src.Graph().Names {
		rule := policy.ImageRule(n.Ref.Repository)
		if rule == nil || registry.IsSignatureTag(n.Ref.Tag) {
			continue
		}
		j := &imageJudge{src: src, rule: rule, now: now, verdict: trust.ImageVerdict{Repository: n.Ref.Repository, Digest: n.Descriptor.Digest}}
		if err := j.judge(ctx); err != nil {
			return nil, fmt.Errorf("signatures of %s: %w", n.Ref, err)
		}
		list = append(list, j.verdict)
		if err := j.verdict.Refused(rule); err != nil {
			refused = append(refused, err)
		}
	}
	return list, errors.Join(refused...)
}

type imageJudge struct {
	src     Source
	rule    *trust.ImageRule
	now     time.Time
	verdict trust.ImageVerdict
}

// judge looks at both places where cosign puts signatures.
func (j *imageJudge) judge(ctx context.Context) error {
	d := j.verdict.Digest
	tag := registry.Ref{Repository: j.verdict.Repository, Tag: registry.SignatureTag(d)}
	if err := j.each(ctx, tag, trust.SimpleSigning, func(layer registry.Descriptor, content []byte) {
		signature, err := base64.StdEncoding.DecodeString(strings.TrimSpace(layer.Annotations[trust.SimpleSignature]))
		j.rule.Judge(&j.verdict, j.now, func(k trust.Key) error {
			if err != nil {
				return fmt.Errorf("%w: annotation %s: %w", registry.ErrInvalid, trust.SimpleSignature, err)
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
		if r.ArtifactType != trust.BundleArtifact {
			continue
		}
		ref := registry.Ref{Repository: j.verdict.Repository, Digest: r.Digest}
		if err := j.each(ctx, ref, trust.BundleArtifact, func(_ registry.Descriptor, content []byte) {
			j.rule.Judge(&j.verdict, j.now, func(k trust.Key) error { return k.VerifyBundle(d, content) })
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
		if layer.MediaType != mediaType || layer.Size > maxSigned {
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
