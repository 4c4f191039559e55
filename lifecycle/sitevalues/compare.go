package sitevalues

import (
	"context"
	"maps"
	"reflect"
	"slices"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/variable"
)

// Side is whose value a variable has after an upgrade.
type Side string

// The sides.
const (
	Ours    Side = "ours"    // the site gave it, and it stays
	Theirs  Side = "theirs"  // the new definition's default, since the site gave none
	New     Side = "new"     // the variable is new, and has its default
	Removed Side = "removed" // the new definition has no such variable; what the site gave has no effect
	Broken  Side = "invalid" // the site gave it, and it breaks a rule of the new definition
)

// Row is what an upgrade does to a variable.
type Row struct {
	Name       string `json:"name"`
	State      Side   `json:"state" enum:"ours,theirs,new,removed,invalid"`
	Changed    bool   `json:"changed"` // its default or its rules are other ones
	DefaultOld any    `json:"defaultOld,omitempty"`
	DefaultNew any    `json:"defaultNew,omitempty"`
	Ours       any    `json:"ours,omitempty"` // that the site gave; Hidden for a sensitive one
	Sensitive  bool   `json:"sensitive,omitempty"`
	Problem    string `json:"problem,omitempty"` // what to do before the upgrade
}

// Compare says for each variable of two versions of a definition, and for each given
// value, what an upgrade from one to the other comes to: in the order of the new
// version, then what it does not have. Sensitive values are not in it.
func Compare(older, newer *definition.Definition, ours map[string]any) []Row {
	before, after := declared(older), declared(newer)
	rows := []Row{}
	for _, d := range newer.Variables {
		old, known := before[d.Name]
		given, has := ours[d.Name]
		rows = append(rows, compare(old, known, d, given, has))
	}
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		if _, known := before[name]; !known {
			before[name] = variable.Declaration{Name: name}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, stays := after[name]; stays {
			continue
		}
		r := Row{Name: name, State: Removed, Changed: true, DefaultOld: before[name].Default, Sensitive: before[name].Sensitive}
		if given, has := ours[name]; has {
			r.give(given)
			r.Problem = "what the site gave has no effect any more"
		}
		rows = append(rows, r)
	}
	return rows
}

func compare(old variable.Declaration, known bool, d variable.Declaration, given any, has bool) Row {
	r := Row{Name: d.Name, State: Theirs, DefaultNew: d.Default, Sensitive: d.Sensitive || old.Sensitive}
	r.Changed = !known || !reflect.DeepEqual(rules(old), rules(d))
	if known {
		r.DefaultOld = old.Default
	} else {
		r.State = New
	}
	if has {
		r.State = Ours
		r.give(given)
		d.Sensitive = r.Sensitive // whose errors do not repeat it
		if _, err := d.Check(given); err != nil {
			r.State, r.Problem = Broken, oneLine(err)
		}
		return r
	}
	switch {
	case d.Required && d.Default == nil:
		r.Problem = "it is required and has no default: give it a value before the upgrade"
	case known && d.Immutable && !reflect.DeepEqual(normal(old.Default), normal(d.Default)):
		r.Problem = "it is immutable and its default changes: give it the old default to keep what a cluster has"
	}
	return r
}

func (r *Row) give(value any) {
	r.Ours = value
	if r.Sensitive {
		r.Ours = Hidden
	}
}

// rules is a declaration without the words for people, in the form that documents have.
func rules(d variable.Declaration) any {
	d.Title, d.Description, d.Group = "", "", ""
	return normal(d)
}

// Compare is Compare with what a scope has. Sealed values are not in it, whatever the
// definitions say; those that cannot be opened are invalid.
func (v *Values) Compare(ctx context.Context, scope string, older, newer *definition.Definition) ([]Row, error) {
	list, err := v.rows(ctx, v.db.Read, scope)
	if err != nil {
		return nil, err
	}
	ours, sealed, unreadable := map[string]any{}, map[string]bool{}, map[string]string{}
	for _, r := range list {
		sealed[r.name] = r.sealed != nil
		if ours[r.name], err = v.open(scope, r); err != nil {
			unreadable[r.name] = oneLine(err)
		}
	}
	rows := Compare(hideSealed(older, sealed), hideSealed(newer, sealed), ours)
	for i, r := range rows {
		if problem := unreadable[r.Name]; problem != "" && r.State != Removed {
			rows[i].State, rows[i].Problem = Broken, problem
		}
	}
	for i, r := range rows { // also those that neither definition has
		if sealed[r.Name] {
			rows[i].Sensitive, rows[i].Ours = true, Hidden
		}
	}
	return rows, nil
}

// hideSealed is a definition that calls what is sealed sensitive.
func hideSealed(d *definition.Definition, sealed map[string]bool) *definition.Definition {
	hidden := *d
	hidden.Variables = slices.Clone(d.Variables)
	for i, v := range hidden.Variables {
		hidden.Variables[i].Sensitive = v.Sensitive || sealed[v.Name]
	}
	return &hidden
}
