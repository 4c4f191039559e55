package definitions

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"

	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/audit"
)

// keyFile is where a data folder has the key of sealed values.
const keyFile = "values.key"

// OpenValues opens what a site says to variables, with the key in its data folder.
// Changes are entries of the audit log.
func OpenValues(ctx context.Context, s *store.Store, data string, log *audit.Log) (*sitevalues.Values, error) {
	return sitevalues.Open(ctx, s, sitevalues.Options{KeyFile: filepath.Join(data, keyFile), Record: func(ctx context.Context, tx *sql.Tx, c sitevalues.Change) error {
		e := audit.Entry{Action: c.Kind, Target: c.Scope}
		if len(c.Before) > 0 {
			e.Before = c.Before
		}
		if len(c.After) > 0 {
			e.After = c.After
		}
		return log.Append(ctx, tx, e)
	}})
}

// values finds a definition and what the site says to those of its name.
func (s *Definitions) values(ctx context.Context, name string) (*Stored, *sitevalues.Values, error) {
	if s.opts.Values == nil {
		return nil, nil, fmt.Errorf("%w: this site keeps no values", registry.ErrNotFound)
	}
	st, err := s.Get(ctx, name)
	return st, s.opts.Values, err
}

// Values lists the variables of a definition with what the site says to them.
func (s *Definitions) Values(ctx context.Context, name string) (*sitevalues.Listing, error) {
	st, values, err := s.values(ctx, name)
	if err != nil {
		return nil, err
	}
	return values.Show(ctx, st.Definition.Name, st.Definition)
}

// SetValues changes what the site says, by the rules of a definition; see
// sitevalues.Values.Set. It returns what is said then.
func (s *Definitions) SetValues(ctx context.Context, name string, p sitevalues.Patch) (*sitevalues.Listing, error) {
	st, values, err := s.values(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := values.Set(ctx, st.Definition.Name, st.Definition, p); err != nil {
		return nil, err
	}
	return values.Show(ctx, st.Definition.Name, st.Definition)
}

// CompareValues says what an upgrade from one definition to another does to the site's
// values.
func (s *Definitions) CompareValues(ctx context.Context, name, to string) ([]sitevalues.Row, error) {
	older, values, err := s.values(ctx, name)
	if err != nil {
		return nil, err
	}
	newer, err := s.Get(ctx, to)
	if err != nil {
		return nil, err
	}
	if older.Definition.Name != newer.Definition.Name {
		return nil, fmt.Errorf("%w: %s and %s are versions of different definitions", registry.ErrInvalid, older.Ref, newer.Ref)
	}
	return values.Compare(ctx, older.Definition.Name, older.Definition, newer.Definition)
}
