package sitevalues

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

// Patch is what is to change in a scope.
type Patch struct {
	Set   map[string]any // new values, as package variable has them
	Unset []string       // variables that get their defaults again
	// Revision is that of the Listing that was read; nil: whatever was said meanwhile.
	Revision *int64
}

// Set changes values of a scope by the rules of a definition. Nothing is changed
// unless everything is right: a *variable.RuleError for each value that breaks a rule,
// joined; ErrNotFound for a value that is to go and was never given; ErrConflict when
// the revision is another one by now. Durable when it returns.
func (v *Values) Set(ctx context.Context, scope string, d *definition.Definition, p Patch) error {
	if err := checkScope(scope); err != nil {
		return err
	}
	s := &setting{Values: v, scope: scope, list: d.Variables, declared: declared(d), before: map[string]any{}, after: map[string]any{}}
	err := v.db.Write(ctx, func(tx *sql.Tx) error {
		if err := s.read(ctx, tx); err != nil {
			return err
		}
		if p.Revision != nil && *p.Revision != s.now.revision {
			return fmt.Errorf("%w: the values have changed meanwhile: read them again", registry.ErrConflict)
		}
		if err := s.plan(p); err != nil {
			return err
		}
		return s.write(ctx, tx)
	})
	return registry.DiskError(err)
}

func declared(d *definition.Definition) map[string]variable.Declaration {
	m := map[string]variable.Declaration{}
	for _, v := range d.Variables {
		m[v.Name] = v
	}
	return m
}

// setting is one Set under way.
type setting struct {
	*Values
	scope    string
	list     []variable.Declaration
	declared map[string]variable.Declaration // the same by name
	now      scopeState
	rows     map[string]row
	puts     map[string]any // what is to be written
	removes  []string

	before, after map[string]any // for the record
}

func (s *setting) read(ctx context.Context, tx *sql.Tx) (err error) {
	list, err := s.Values.rows(ctx, tx, s.scope)
	if err != nil {
		return err
	}
	s.rows, s.puts, s.removes = map[string]row{}, map[string]any{}, nil
	clear(s.before)
	clear(s.after)
	for _, r := range list {
		s.rows[r.name] = r
	}
	s.now, err = readScope(ctx, tx, s.scope)
	return err
}

// plan decides what is written. What was given in the open and is sensitive by this
// definition is sealed on the way.
func (s *setting) plan(p Patch) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(p.Set)) {
		errs = append(errs, s.planSet(name, p.Set[name]))
	}
	for _, name := range p.Unset {
		errs = append(errs, s.planUnset(name, p))
	}
	for name, r := range s.rows {
		_, changes := s.puts[name]
		if r.sealed == nil && s.declared[name].Sensitive && !changes && !slices.Contains(s.removes, name) {
			value, err := s.open(s.scope, r)
			errs = append(errs, err)
			s.puts[name] = value
		}
	}
	return errors.Join(errs...)
}

func (s *setting) planSet(name string, value any) error {
	d, ok := s.declared[name]
	if !ok {
		return variable.Unknown(s.list, name)
	}
	d.Sensitive = d.Sensitive || s.rows[name].sealed != nil // whose errors do not repeat it
	checked, err := d.Check(value)
	if err != nil {
		return err
	}
	content, err := encode(checked)
	if err != nil {
		return fmt.Errorf("value of %s: %w", name, err)
	}
	kept, err := decode(content)
	if err != nil {
		return err
	}
	now, known := s.current(d)
	if known && reflect.DeepEqual(now, kept) {
		if _, given := s.rows[name]; given {
			return nil
		}
	} else if s.now.locked && d.Immutable {
		return immutable(name)
	}
	s.puts[name] = kept
	s.note(name, kept)
	return nil
}

func (s *setting) planUnset(name string, p Patch) error {
	r, given := s.rows[name]
	if _, set := p.Set[name]; set {
		return fmt.Errorf("%w: %s: a new value, or none; not both", registry.ErrInvalid, name)
	}
	if !given {
		return fmt.Errorf("%s: %w: the site has given no value that could be taken back", name, registry.ErrNotFound)
	}
	if d, ok := s.declared[name]; ok && s.now.locked && d.Immutable {
		now, err := s.open(s.scope, r)
		if err != nil || !reflect.DeepEqual(now, normal(d.Default)) {
			return immutable(name)
		}
	}
	s.removes = append(s.removes, name)
	s.note(name, nil)
	return nil
}

// current is the value that a variable has, if that is known.
func (s *setting) current(d variable.Declaration) (any, bool) {
	r, given := s.rows[d.Name]
	if !given {
		return normal(d.Default), d.Default != nil
	}
	value, err := s.open(s.scope, r)
	return value, err == nil
}

// normal is a value as it is after it was kept.
func normal(value any) any {
	content, err := encode(value)
	if err != nil {
		return value
	}
	if kept, err := decode(content); err == nil {
		return kept
	}
	return value
}

func immutable(name string) error {
	return &variable.RuleError{Variable: name, Rule: "immutable", Text: "a cluster has it already: it stays as it is"}
}

// note remembers what is told of a change; value nil: there is none any more.
func (s *setting) note(name string, value any) {
	r, given := s.rows[name]
	hide := s.declared[name].Sensitive || given && r.sealed != nil
	if given {
		s.before[name] = shown(s.Values, s.scope, r, hide)
	}
	switch {
	case value == nil:
	case hide:
		s.after[name] = Hidden
	default:
		s.after[name] = value
	}
}

// shown is what is told of a given value.
func shown(v *Values, scope string, r row, hide bool) any {
	if hide || r.sealed != nil {
		return Hidden
	}
	value, err := v.open(scope, r)
	if err != nil {
		return nil
	}
	return value
}

func (s *setting) write(ctx context.Context, tx *sql.Tx) error {
	for _, name := range slices.Sorted(maps.Keys(s.puts)) {
		content, err := encode(s.puts[name])
		if err != nil {
			return err
		}
		text, sealed := sql.NullString{String: string(content), Valid: true}, []byte(nil)
		if s.declared[name].Sensitive || s.rows[name].sealed != nil {
			text = sql.NullString{}
			if sealed, err = s.keys.seal(content, s.scope, name); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO site_values (scope, name, value, sealed, changed_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (scope, name) DO UPDATE SET value = excluded.value, sealed = excluded.sealed, changed_at = excluded.changed_at`,
			s.scope, name, text, sealed, time.Now().UnixMilli())
		if err != nil {
			return err
		}
	}
	for _, name := range s.removes {
		if _, err := tx.ExecContext(ctx, `DELETE FROM site_values WHERE scope = ? AND name = ?`, s.scope, name); err != nil {
			return err
		}
	}
	if len(s.before)+len(s.after) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO site_scopes (scope, revision) VALUES (?, 1) ON CONFLICT (scope) DO UPDATE SET revision = revision + 1`, s.scope)
	if err != nil {
		return err
	}
	return s.record(ctx, tx, Change{Kind: ChangeSet, Scope: s.scope, Before: s.before, After: s.after})
}
