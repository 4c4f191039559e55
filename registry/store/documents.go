package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
)

// document reads a small document into v and reports whether there is one.
func (s *Store) document(ctx context.Context, name string, v any) (bool, error) {
	var content []byte
	err := s.db.Read.QueryRowContext(ctx, `SELECT content FROM documents WHERE name = ?`, name).Scan(&content)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(content, v)
	}
	return err == nil, named("document "+name, err)
}

// putDocument is for what a power cut may take back.
func (s *Store) putDocument(ctx context.Context, name string, v any) error {
	err := s.writeAnyway(ctx, s.db.WriteSoon, func(tx *sql.Tx) error { return putDocumentIn(ctx, tx, name, v) })
	return named("document "+name, err)
}

// setRules keeps the text of rules that an operator has written. It is durable
// when it returns.
func (s *Store) setRules(ctx context.Context, name string, kind ChangeKind, text string) error {
	err := s.writeAnyway(ctx, s.db.Write, s.noted(ctx, func(tx *noting) error {
		return changeDocument(ctx, tx.Tx, name, func(old string) string {
			if old != text {
				tx.note(Change{Kind: kind, Name: name, Before: orNothing(old), After: orNothing(text)})
			}
			return text
		})
	}))
	return named("document "+name, err)
}

func putDocumentIn(ctx context.Context, tx *sql.Tx, name string, v any) error {
	content, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO documents (name, content) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET content = excluded.content`, name, string(content))
	return err
}

// changeDocument reads a document, its zero value when there is none, and writes
// it changed, in one transaction.
func changeDocument[T any](ctx context.Context, tx *sql.Tx, name string, change func(T) T) error {
	var v T
	var content []byte
	err := tx.QueryRowContext(ctx, `SELECT content FROM documents WHERE name = ?`, name).Scan(&content)
	if err == nil {
		err = json.Unmarshal(content, &v)
	}
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		err = putDocumentIn(ctx, tx, name, change(v))
	}
	return named("document "+name, err)
}
