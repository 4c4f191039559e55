package browse

import (
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// Kind is what people call an artifact.
type Kind string

// The kinds.
const (
	Image       Kind = "image"
	Index       Kind = "index" // images for several platforms
	Chart       Kind = "chart"
	Signature   Kind = "signature"
	Attestation Kind = "attestation" // a signed or unsigned statement, such as provenance
	SBOM        Kind = "sbom"
	Definition  Kind = "definition" // of a cluster
	Other       Kind = "other"
)

// What artifacts are told apart by, beside the vocabulary of package registry.
const (
	typeDockerConfig = "application/vnd.docker.container.image.v1+json"
	typeHelmConfig   = "application/vnd.cncf.helm.config.v1+json"
	typeDefinition   = "application/vnd.landfall.definition" // and what follows, but for:
	typeSignature    = typeDefinition + ".signature"         // of its document, and what follows

	bundlePredicate = "dev.sigstore.bundle.predicateType" // annotations
	inTotoPredicate = "in-toto.io/predicate-type"
)

// kinds are artifact types and media types of layers that say it all.
var kinds = map[string]Kind{
	ocispec.MediaTypeImageConfig: Image,
	typeDockerConfig:             Image,
	typeHelmConfig:               Chart,
	"application/vnd.dev.cosign.artifact.sig.v1+json":     Signature,
	"application/vnd.cncf.notary.signature":               Signature,
	trust.SimpleSigning:                                   Signature,
	"application/vnd.dev.cosign.artifact.att.v1+json":     Attestation,
	"application/vnd.docker.attestation.manifest.v1+json": Attestation,
	"application/vnd.dsse.envelope.v1+json":               Attestation,
	"application/vnd.in-toto+json":                        Attestation,
	"application/vnd.dev.cosign.artifact.sbom.v1+json":    SBOM,
	"application/spdx+json":                               SBOM,
	"text/spdx":                                           SBOM,
	"text/spdx+json":                                      SBOM,
	"application/vnd.cyclonedx":                           SBOM,
	"application/vnd.cyclonedx+json":                      SBOM,
	"application/vnd.cyclonedx+xml":                       SBOM,
	"application/vnd.syft+json":                           SBOM,
}

// suffixes are those of cosign's companion tags.
var suffixes = map[string]Kind{".sig": Signature, ".att": Attestation, ".sbom": SBOM}

// traits are what is known of an artifact, some of it or all.
type traits struct {
	tag, mediaType, artifactType string
	annotations                  map[string]string
	layers                       []registry.Descriptor
}

// kindOf tells the kind from what is most particular: what a statement says, the
// companion's tag, the layers of what looks like an image, the types.
func kindOf(t traits) Kind {
	for _, said := range append([]registry.Descriptor{{Annotations: t.annotations}}, t.layers...) {
		for _, key := range []string{bundlePredicate, inTotoPredicate} {
			if predicate := said.Annotations[key]; predicate != "" {
				return ofPredicate(predicate)
			}
		}
	}
	if registry.IsSignatureTag(t.tag) {
		return suffixes[t.tag[strings.LastIndexByte(t.tag, '.'):]]
	}
	switch {
	case strings.HasPrefix(t.artifactType, typeSignature), t.artifactType == trust.BundleArtifact: // cosign signs like the latter, too
		return Signature
	case strings.HasPrefix(t.artifactType, typeDefinition):
		return Definition
	}
	kind := kinds[t.artifactType]
	if kind == Image || kind == "" { // the least that a manifest can say
		for _, l := range t.layers {
			if k := kinds[l.MediaType]; k != "" {
				return k
			}
		}
	}
	switch {
	case kind != "":
		return kind
	case registry.IsIndex(t.mediaType) && t.artifactType == "":
		return Index
	}
	return Other
}

// ofPredicate is the kind of a statement about an artifact.
func ofPredicate(predicate string) Kind {
	switch {
	case strings.HasPrefix(predicate, "https://sigstore.dev/cosign/sign/"):
		return Signature
	case slices.ContainsFunc([]string{"https://spdx.dev/", "https://cyclonedx.org/"}, func(s string) bool { return strings.HasPrefix(predicate, s) }):
		return SBOM
	}
	return Attestation
}
