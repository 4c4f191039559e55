package store

import (
	"context"
	"reflect"
	"slices"
)

// Attachment is a bundle that hosts pull from while its content is brought in.
// It is remembered until that is done.
type Attachment struct {
	Bundle   string   `json:"bundle"` // id
	Path     string   `json:"path"`   // of its file
	Keys     []string `json:"keys,omitempty"`
	Override string   `json:"override,omitempty"`
}

const attachedDocument = "attached"

// Attachments are the bundles whose landing has not ended.
func (s *Store) Attachments(ctx context.Context) (list []Attachment, err error) {
	_, err = s.document(ctx, attachedDocument, &list)
	return list, err
}

// AddAttachment remembers a bundle, in the place of one of the same id.
func (s *Store) AddAttachment(ctx context.Context, a Attachment) error {
	return s.changeAttachment(ctx, a.Bundle, &a)
}

// RemoveAttachment forgets a bundle.
func (s *Store) RemoveAttachment(ctx context.Context, bundle string) error {
	return s.changeAttachment(ctx, bundle, nil)
}

// changeAttachment puts next, which may be nil, in a bundle's place.
func (s *Store) changeAttachment(ctx context.Context, bundle string, next *Attachment) error {
	return s.writeAnyway(ctx, s.db.Write, s.noted(ctx, func(tx *noting) error {
		return changeDocument(ctx, tx.Tx, attachedDocument, func(list []Attachment) []Attachment {
			var was *Attachment
			rest := slices.DeleteFunc(slices.Clone(list), func(a Attachment) bool {
				if a.Bundle == bundle {
					was = &a
				}
				return a.Bundle == bundle
			})
			tx.noteAttachment(bundle, was, next)
			if next != nil {
				rest = append(rest, *next)
			}
			return rest
		})
	}))
}

func (t *noting) noteAttachment(bundle string, was, next *Attachment) {
	c := Change{Kind: BundleAttach, Name: bundle}
	if was != nil {
		c.Before = *was
	}
	switch {
	case next == nil && was == nil, next != nil && was != nil && reflect.DeepEqual(*was, *next):
		return
	case next == nil:
		c.Kind = BundleDetach
	default:
		c.After = *next
	}
	t.note(c)
}
