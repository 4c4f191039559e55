package browse

import (
	"context"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// Via is how a referrer is tied to an artifact.
type Via string

// The ways.
const (
	BySubject Via = "subject" // it names it
	ByTag     Via = "tag"     // its tag is made from the digest, as cosign did
	ByIndex   Via = "index"   // it lies beside it in an index, as BuildKit does
)

// ArtifactReferrer is what belongs to an artifact: a signature, an SBOM.
type ArtifactReferrer struct {
	Via          Via               `json:"via" enum:"subject,tag,index" doc:"How it is tied to the artifact"`
	Digest       digest.Digest     `json:"digest"`
	Tag          string            `json:"tag,omitempty" doc:"That ties it"`
	Subject      digest.Digest     `json:"subject" doc:"The manifest that it belongs to"`
	MediaType    string            `json:"mediaType"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Kind         Kind              `json:"kind" enum:"image,index,chart,signature,attestation,sbom,definition,other"`
	Size         int64             `json:"size" doc:"Bytes of its manifest"`
	Present      bool              `json:"present" doc:"It is here, and not only named"`
	Annotations  map[string]string `json:"annotations,omitempty"`
}

// beside adds what an index has of one of its images.
func (v *visit) beside(ctx context.Context, d registry.Descriptor, subject string, present bool) {
	r := ArtifactReferrer{Via: ByIndex, Digest: d.Digest, Subject: digest.Digest(subject), MediaType: d.MediaType, ArtifactType: d.ArtifactType,
		Kind: Attestation, Size: d.Size, Present: present, Annotations: d.Annotations}
	if f, err := v.find(ctx, registry.Ref{Repository: v.repository, Digest: d.Digest}); err == nil {
		r.Kind = v.kindOfFound(f, "")
		if r.Kind == Image { // it looks like one
			r.Kind = Attestation
		}
	}
	v.artifact.Referrers = append(v.artifact.Referrers, r)
}

// kindOfFound is the kind of another manifest.
func (v *visit) kindOfFound(f *found, tag string) Kind {
	m, err := registry.ParseManifest(f.MediaType, f.Content)
	if err != nil {
		m = &registry.Manifest{MediaType: f.MediaType, Annotations: f.Annotations}
	}
	return v.kind(m, tag, f.ArtifactType)
}

// referrers adds what names the artifact as its subject.
func (v *visit) referrers(ctx context.Context) error {
	list, err := v.listReferrers(ctx, v.repository, v.Digest)
	if err != nil {
		return err
	}
	for _, d := range cut(&v.artifact, "referrers", list) {
		r := ArtifactReferrer{Via: BySubject, Digest: d.Digest, Subject: v.Digest, MediaType: d.MediaType, ArtifactType: d.ArtifactType,
			Kind: kindOf(traits{mediaType: d.MediaType, artifactType: d.ArtifactType, annotations: d.Annotations}),
			Size: d.Size, Present: true, Annotations: d.Annotations}
		v.artifact.Referrers = append(v.artifact.Referrers, r)
	}
	return nil
}

func (b *Browser) listReferrers(ctx context.Context, repository string, d digest.Digest) ([]registry.Descriptor, error) {
	if b.view != nil {
		return b.view.Referrers(ctx, repository, d)
	}
	return b.store.Referrers(ctx, repository, d)
}

// companions adds what cosign keeps under tags that are made from the digest.
func (v *visit) companions(ctx context.Context) error {
	for _, tag := range registry.CompanionTags(v.Digest) {
		f, err := v.find(ctx, registry.Ref{Repository: v.repository, Tag: tag})
		if errors.Is(err, registry.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		v.artifact.Referrers = append(v.artifact.Referrers, ArtifactReferrer{Via: ByTag, Digest: f.Digest, Tag: tag, Subject: v.Digest, MediaType: f.MediaType,
			ArtifactType: f.ArtifactType, Kind: v.kindOfFound(f, tag), Size: f.Size, Present: f.Damaged == "", Annotations: f.Annotations})
	}
	return nil
}

// State is what the signatures of an artifact are worth.
type State string

// The states.
const (
	Verified   State = "verified"   // one is by a key of the trust policy
	Unverified State = "unverified" // none of those that it has is
	Unsigned   State = "unsigned"   // it has none
	Unjudged   State = "unjudged"   // this could not be found out
)

// SignatureVerdict is what was found out about the signatures of an artifact.
type SignatureVerdict struct {
	State    State    `json:"state" enum:"verified,unverified,unsigned,unjudged"`
	Required bool     `json:"required" doc:"The trust policy lets nothing into the repository by bundle or mirror that is not verified"`
	Arrival  bool     `json:"arrival,omitempty" doc:"This was found out when it came; the trust policy says nothing of it any more"`
	Signers  []string `json:"signers" doc:"The keys that count"`
	Problems []string `json:"problems" doc:"Of signatures that do not count"`
}

// judgeTime bounds how long signatures are looked at.
const judgeTime = 5 * time.Second

// verdict judges the signatures by the trust policy that is in force, or tells
// what was found out when the artifact came.
func (v *visit) verdict(ctx context.Context) error {
	if kind := v.artifact.Kind; kind == Signature || kind == Attestation || kind == SBOM {
		return nil // they are not what is signed
	}
	policy, err := v.store.TrustPolicy(ctx)
	if err != nil {
		return err
	}
	rule := policy.ImageRule(v.repository)
	if rule == nil {
		judged, err := v.store.ImageVerdict(ctx, v.repository, v.Digest)
		if errors.Is(err, registry.ErrNotFound) {
			return nil
		}
		v.artifact.Verdict = verdictOf(judged.Verified, judged.Signers, judged.Problems)
		v.artifact.Verdict.Arrival = true
		return err
	}
	return v.judge(ctx, rule)
}

// judge judges the signatures now.
func (v *visit) judge(ctx context.Context, rule *trust.ImageRule) error {
	state, err := v.store.TrustState(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	if state.Newest.After(now) {
		now = state.Newest // it cannot be earlier
	}
	judging, cancel := context.WithTimeout(ctx, judgeTime)
	defer cancel()
	judged, err := rule.JudgeImage(judging, reader{v.Browser}, v.repository, v.Digest, now)
	verdict := verdictOf(judged.Verified, judged.Signers, judged.Problems)
	verdict.Required = rule.Require
	if err != nil && !judged.Verified {
		verdict.State = Unjudged
	}
	if verdict.State == Unsigned && len(v.Tags) == 0 {
		return nil // it is covered by what it belongs to
	}
	v.artifact.Verdict = verdict
	if judging.Err() != nil && ctx.Err() == nil {
		verdict.Problems = append(verdict.Problems, "there are too many signatures to look at them all")
		err = nil
	}
	return err
}

func verdictOf(verified bool, signers, problems []string) *SignatureVerdict {
	v := &SignatureVerdict{State: Unsigned, Signers: append([]string{}, signers...), Problems: append([]string{}, problems...)}
	switch {
	case verified:
		v.State = Verified
	case len(problems) > 0:
		v.State = Unverified
	}
	return v
}
