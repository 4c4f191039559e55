package definition

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// Load reads the definition that a name stands for, and its document. ErrInvalid
// when it is something else, or the artifact is without a part that the document
// lists.
func Load(ctx context.Context, src registry.Reader, ref registry.Ref) (*Definition, []byte, error) {
	desc, m, err := readManifest(ctx, src, ref)
	if err != nil {
		return nil, nil, err
	}
	if m.ArtifactType != ArtifactType || len(m.Blobs) < 2 || m.Blobs[1].MediaType != TypeDocument {
		return nil, nil, fmt.Errorf("%s: %w: not a definition: its type is %.120q", ref, registry.ErrInvalid, m.ArtifactType)
	}
	document := m.Blobs[1]
	if document.Size > maxDocument {
		return nil, nil, fmt.Errorf("%s: %w: the document has %d bytes, at most %d are read", ref, registry.ErrInvalid, document.Size, maxDocument)
	}
	content, err := registry.ReadBlob(ctx, src, ref.Repository, document)
	if err != nil {
		return nil, nil, fmt.Errorf("document of %s: %w", ref, err)
	}
	d, err := Parse(ref.String(), content)
	if err != nil {
		return nil, nil, err
	}
	layers := map[digest.Digest]bool{}
	for _, b := range m.Blobs {
		layers[b.Digest] = true
	}
	for _, p := range d.placedParts() {
		if !layers[p.Digest] {
			return nil, nil, fmt.Errorf("%s: %w: the artifact %s is without %s of layer %s, %s: pack it again", ref, registry.ErrInvalid, desc.Digest, p.Path, p.layer, p.Digest)
		}
	}
	return d, content, nil
}

func readManifest(ctx context.Context, src registry.Reader, ref registry.Ref) (registry.Descriptor, *registry.Manifest, error) {
	desc, content, err := src.Manifest(ctx, ref)
	if err != nil {
		return desc, nil, err
	}
	m, err := registry.ParseManifest(desc.MediaType, content)
	if err != nil {
		return desc, nil, fmt.Errorf("%s: %w", ref, err)
	}
	return desc, m, nil
}

// Signatures reads the signatures of a definition's document, those that are its
// referrers. They are not checked: Verify does that.
func Signatures(ctx context.Context, src registry.Reader, ref registry.Ref) (sigs []trust.Signature, err error) {
	desc, err := src.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	list, err := src.Referrers(ctx, ref.Repository, desc.Digest)
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		if r.ArtifactType != TypeSignature {
			continue
		}
		if len(sigs) == maxSignatures {
			return nil, fmt.Errorf("%s: %w: more than %d signatures", ref, registry.ErrInvalid, maxSignatures)
		}
		s, err := readSignature(ctx, src, ref.ByDigest(r.Digest))
		if err != nil {
			return nil, fmt.Errorf("signature %s of %s: %w", r.Digest, ref, err)
		}
		sigs = append(sigs, s)
	}
	return sigs, nil
}

func readSignature(ctx context.Context, src registry.Reader, ref registry.Ref) (trust.Signature, error) {
	_, m, err := readManifest(ctx, src, ref)
	if err != nil {
		return trust.Signature{}, err
	}
	if len(m.Blobs) != 2 || m.Blobs[1].Size > maxSignature {
		return trust.Signature{}, fmt.Errorf("%w: not one layer of at most %d bytes", registry.ErrInvalid, maxSignature)
	}
	content, err := registry.ReadBlob(ctx, src, ref.Repository, m.Blobs[1])
	if err != nil {
		return trust.Signature{}, err
	}
	return signatureOf(content)
}
