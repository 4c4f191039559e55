package browse

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

// Consequences are what the deletion of a name would lead to. A tag goes alone; a
// digest goes with the manifest and all tags of its repository that point at it.
type Consequences struct {
	Name       string        `json:"name"`
	Digest     digest.Digest `json:"digest" doc:"Of the manifest; as If-Match, it keeps another one from being deleted"`
	Refused    string        `json:"refused,omitempty" doc:"Why it cannot be deleted"`
	PinnedBy   string        `json:"pinnedBy,omitempty" doc:"Whose pin that is"`
	Tags       []string      `json:"tags" doc:"That go"`
	Breaks     []string      `json:"breaks" doc:"Indexes that would miss it"`
	Companions []string      `json:"companions" doc:"Tags of cosign that would belong to nothing; they stay"`
	Kept       digest.Digest `json:"kept,omitempty" doc:"What keeps the manifest nevertheless: itself when it has another name or a pin, or what it belongs to"`
	Manifests  int           `json:"manifests" doc:"How many manifests nothing would need any more"`
	Blobs      int           `json:"blobs" doc:"How many blobs nobody would need any more"`
	Bytes      int64         `json:"bytes" doc:"Of these: what collections could free, about"`
	More       bool          `json:"more,omitempty" doc:"There is too much to count it all"`
}

// Consequences tells what Delete of a name would lead to.
func (b *Browser) Consequences(ctx context.Context, ref registry.Ref) (*Consequences, error) {
	f, err := b.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	c := &Consequences{Name: ref.String(), Digest: f.Digest, Tags: []string{}, Breaks: []string{}, Companions: []string{}}
	if f.inBundle {
		c.Refused = fromBundle(ref).Error()
		return c, nil
	}
	loss, err := b.store.Losing(ctx, ref)
	if err != nil {
		return nil, err
	}
	c.Tags, c.Breaks, c.Kept = loss.Tags, loss.Breaks, loss.Kept
	c.Manifests, c.Blobs, c.Bytes, c.More = loss.Manifests, loss.Blobs, loss.Bytes, loss.More
	if pinned := (*store.PinnedError)(nil); errors.As(loss.Refused, &pinned) {
		c.PinnedBy = pinned.Owner
	}
	if loss.Refused != nil {
		c.Refused = loss.Refused.Error()
	}
	if loss.Kept != "" {
		return c, nil
	}
	for _, tag := range registry.CompanionTags(f.Digest) {
		_, err := b.store.Look(ctx, registry.Ref{Repository: f.repository, Tag: tag})
		if err == nil {
			c.Companions = append(c.Companions, tag)
		} else if !errors.Is(err, registry.ErrNotFound) {
			return nil, err
		}
	}
	return c, nil
}

// fromBundle refuses to delete what is read from a bundle.
func fromBundle(ref registry.Ref) error {
	return fmt.Errorf("%s: %w: it is read from a bundle that is being imported: delete it when it is in the store", ref, registry.ErrConflict)
}

// Delete deletes a name: a tag, or a manifest with its tags when ref has a digest.
// check is asked first about the manifest that it stands for; nil: it is not.
func (b *Browser) Delete(ctx context.Context, ref registry.Ref, check func(digest.Digest) error) error {
	f, err := b.find(ctx, ref)
	if err != nil {
		return err
	}
	if check != nil {
		if err := check(f.Digest); err != nil {
			return err
		}
	}
	if f.inBundle {
		return fromBundle(ref)
	}
	return b.store.Delete(ctx, ref)
}
