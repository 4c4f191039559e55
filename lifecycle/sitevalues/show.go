package sitevalues

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

// State is how it is about the value of a variable.
type State string

// The states.
const (
	Default    State = "default"    // the definition's is in force; maybe none, when none is required
	Given      State = "given"      // the site's own is
	Missing    State = "missing"    // it is required, and there is none
	Invalid    State = "invalid"    // the site's own breaks a rule of this definition
	Unreadable State = "unreadable" // it is sealed, and cannot be opened
	Unknown    State = "unknown"    // the definition has no such variable; the value has no effect
)

// Listing is what a site says to a definition.
type Listing struct {
	Scope     string  `json:"scope"`
	Name      string  `json:"name"`     // of the definition
	Version   string  `json:"version"`  // of the definition
	Revision  int64   `json:"revision"` // counts the changes of values; 0: nothing was said yet
	Locked    bool    `json:"locked"`   // immutable values stay as they are
	Variables []Value `json:"variables"`
}

// Value is a variable with what the site says to it.
type Value struct {
	variable.Declaration
	State   State     `json:"state" enum:"default,given,missing,invalid,unreadable,unknown"`
	Value   any       `json:"value,omitempty"`   // that the site gave; Hidden for a sealed one
	Sealed  bool      `json:"sealed,omitempty"`  // it is kept encrypted, and never shown
	Problem string    `json:"problem,omitempty"` // the rule that is broken, and what to do
	Changed time.Time `json:"changed,omitzero"`  // when it was given
}

// Show lists the variables of a definition in its order, then given values that it has
// no variable for. No sealed or sensitive value is in it.
func (v *Values) Show(ctx context.Context, scope string, d *definition.Definition) (*Listing, error) {
	now, list, err := v.moment(ctx, scope)
	if err != nil {
		return nil, err
	}
	l := &Listing{Scope: scope, Name: d.Name, Version: d.Version, Revision: now.revision, Locked: now.locked, Variables: []Value{}}
	for _, declaration := range d.Variables {
		i := slices.IndexFunc(list, func(r row) bool { return r.name == declaration.Name })
		if i < 0 {
			l.Variables = append(l.Variables, unset(declaration))
			continue
		}
		l.Variables = append(l.Variables, v.given(scope, list[i], declaration))
		list = slices.Delete(list, i, i+1)
	}
	for _, r := range list {
		l.Variables = append(l.Variables, Value{
			Declaration: variable.Declaration{Name: r.name, Sensitive: r.sealed != nil}, State: Unknown, Value: shown(v, scope, r, false),
			Sealed: r.sealed != nil, Changed: r.changed, Problem: "this definition has no such variable: the value has no effect; unset it when no other version needs it"})
	}
	return l, nil
}

// moment is a scope with its rows, both of the same moment: who changes values by the
// revision has seen what it is of.
func (v *Values) moment(ctx context.Context, scope string) (now scopeState, list []row, err error) {
	tx, err := v.db.Read.BeginTx(ctx, nil)
	if err != nil {
		return now, nil, registry.DiskError(err)
	}
	defer tx.Rollback()
	if now, err = readScope(ctx, tx, scope); err != nil {
		return now, nil, err
	}
	list, err = v.rows(ctx, tx, scope)
	return now, list, err
}

func unset(d variable.Declaration) Value {
	value := Value{Declaration: d, State: Default}
	if d.Required && d.Default == nil {
		value.State, value.Problem = Missing, "it is required and has no default: give it a value"
	}
	return value
}

// given is a variable to which the site has said something.
func (v *Values) given(scope string, r row, d variable.Declaration) Value {
	hide := d.Sensitive || r.sealed != nil
	value := Value{Declaration: d, State: Given, Sealed: r.sealed != nil, Value: shown(v, scope, r, hide), Changed: r.changed}
	d.Sensitive = hide // whose errors do not repeat it
	opened, err := v.open(scope, r)
	if err != nil {
		value.State, value.Problem = Unreadable, err.Error()
	} else if _, err := d.Check(opened); err != nil {
		value.State, value.Problem = Invalid, oneLine(err)
	}
	return value
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// Problems are the variables of a listing that keep a definition from being rendered.
func (l *Listing) Problems() (list []Value) {
	for _, v := range l.Variables {
		if v.State == Missing || v.State == Invalid || v.State == Unreadable {
			list = append(list, v)
		}
	}
	return list
}
