package audit

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/landfall-dev/landfall/registry/store"
)

// maxSingle is how many changes of a kind get an entry each. More of them, which
// one import or one run of retention brings, share entries.
const maxSingle = 20

// listed is a change in an entry that lists many.
type listed struct {
	Name   string          `json:"name"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// listStart is how an After begins that lists changes.
const listStart = `[{"name":`

// Recorder is for Store.OnChange: it makes what a transaction of the store
// changes entries of the log. The kind is the action, the name the target. Where
// a transaction changes many names the same way, entries list as many of them as
// have room, and none is left out.
func (l *Log) Recorder() func(ctx context.Context, tx *sql.Tx, changes []store.Change) error {
	return func(ctx context.Context, tx *sql.Tx, changes []store.Change) error {
		var kinds []store.ChangeKind
		byKind := map[store.ChangeKind][]store.Change{}
		for _, c := range changes {
			if byKind[c.Kind] == nil {
				kinds = append(kinds, c.Kind)
			}
			byKind[c.Kind] = append(byKind[c.Kind], c)
		}
		for _, kind := range kinds {
			if err := l.record(ctx, tx, kind, byKind[kind]); err != nil {
				return err
			}
		}
		return nil
	}
}

// record adds the entries of changes of one kind.
func (l *Log) record(ctx context.Context, tx *sql.Tx, kind store.ChangeKind, changes []store.Change) error {
	if len(changes) > maxSingle {
		return l.recordMany(ctx, tx, kind, changes)
	}
	for _, c := range changes {
		if err := l.Append(ctx, tx, Entry{Action: string(kind), Target: c.Name, Before: c.Before, After: c.After}); err != nil {
			return err
		}
		if err := l.noteNames(ctx, tx, kind, c.Name); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) recordMany(ctx context.Context, tx *sql.Tx, kind store.ChangeKind, changes []store.Change) error {
	var list [][]byte
	var names []string
	size := 0
	flush := func() error {
		after := json.RawMessage("[" + string(bytes.Join(list, []byte(","))) + "]")
		if err := l.Append(ctx, tx, Entry{Action: string(kind), Target: fmt.Sprintf("%d names", len(list)), After: after}); err != nil {
			return err
		}
		err := l.noteNames(ctx, tx, kind, names...)
		list, names, size = nil, nil, 0
		return err
	}
	for _, c := range changes {
		item, err := describe(c)
		if err != nil {
			return err
		}
		if size+len(item) > maxValue-len("[]") && len(list) > 0 {
			if err := flush(); err != nil {
				return err
			}
		}
		list, names = append(list, item), append(names, c.Name)
		size += len(item) + len(",")
	}
	return flush()
}

func describe(c store.Change) ([]byte, error) {
	before, err := value(c.Before)
	if err != nil {
		return nil, err
	}
	after, err := value(c.After)
	if err != nil {
		return nil, err
	}
	return encode(listed{clip(c.Name), before, after})
}
