package store

import (
	"context"
	"database/sql"
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
	return s.changeAttachments(ctx, func(list []Attachment) []Attachment {
		list = slices.DeleteFunc(list, func(other Attachment) bool { return other.Bundle == a.Bundle })
		return append(list, a)
	})
}

// RemoveAttachment forgets a bundle.
func (s *Store) RemoveAttachment(ctx context.Context, bundle string) error {
	return s.changeAttachments(ctx, func(list []Attachment) []Attachment {
		return slices.DeleteFunc(list, func(a Attachment) bool { return a.Bundle == bundle })
	})
}

func (s *Store) changeAttachments(ctx context.Context, change func([]Attachment) []Attachment) error {
	return s.writeAnyway(ctx, s.db.Write, func(tx *sql.Tx) error { return changeDocument(ctx, tx, attachedDocument, change) })
}
