package settings

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/ui/audit"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Keeper keeps the settings: what administrators change while the appliance
// runs, over what its file, environment and flags say.
type Keeper struct {
	db    *sqldb.DB
	audit *audit.Log

	changing sync.Mutex // held while settings change, and while that is told

	mu      sync.Mutex // protects the fields below
	base    *Effective
	kept    document
	current Settings
	next    int // id of the next follower
	follow  map[int]func(Settings)
}

// document is what is in the table.
type document struct {
	version int64
	changed time.Time
	texts   map[string][]string
}

// Settings are what is in force at one moment.
type Settings struct {
	*Effective
	Version int64     // of the changes while it ran; 0: none yet
	Changed time.Time // the last of them
	// Problems tells of kept values that this version does not understand; they
	// count for nothing.
	Problems []string
}

// Setting is a field that can be changed while the appliance runs.
type Setting struct {
	Value
	Default any      `json:"default"`         // in force when the value is null
	Fixed   bool     `json:"fixed"`           // whoever started the appliance has said what it is
	Type    string   `json:"type"`            // bool, size, time, text, ...
	List    bool     `json:"list"`            // the value is a list of texts
	OneOf   []string `json:"oneOf,omitempty"` // the only values
	Want    string   `json:"want"`            // what a value looks like
	Doc     string   `json:"doc"`
}

// Open reads the settings that are kept in a database, over base.
func Open(ctx context.Context, db sqldb.Home, log *audit.Log, base *Effective) (*Keeper, error) {
	content, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	k := &Keeper{audit: log, base: base, follow: map[int]func(Settings){}}
	if k.db, err = db.Tables(ctx, "settings", content); err != nil {
		return nil, err
	}
	if k.kept, err = readDocument(ctx, k.db.Read); err != nil {
		return nil, err
	}
	k.current, err = over(base, k.kept)
	return k, err
}

// queryer is a database or a transaction.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func readDocument(ctx context.Context, q queryer) (document, error) {
	d, text, changed := document{texts: map[string][]string{}}, "", int64(0)
	err := q.QueryRowContext(ctx, `SELECT version, document, changed_at FROM settings WHERE id = 1`).Scan(&d.version, &text, &changed)
	if errors.Is(err, sql.ErrNoRows) {
		return d, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &d.texts)
	}
	if err != nil {
		return d, fmt.Errorf("settings: %w", err)
	}
	d.changed = time.UnixMilli(changed)
	return d, nil
}

// over puts kept values over those that only the default has spoken of. One that
// is no value any more, or of no field, is a problem and stays without effect: an
// appliance has to start whatever an earlier version has kept.
func over(base *Effective, kept document) (Settings, error) {
	all := layer{maps.Clone(base.texts), maps.Clone(base.origins)}
	s := Settings{Version: kept.version, Changed: kept.changed}
	for _, name := range slices.Sorted(maps.Keys(kept.texts)) {
		f, ok := FieldOf(name)
		if !ok || !f.Runtime {
			s.Problems = append(s.Problems, fmt.Sprintf("the kept setting %.80q is none of this version's", name))
			continue
		}
		texts, err := f.canonical(kept.texts[name])
		if err != nil {
			s.Problems = append(s.Problems, fmt.Sprintf("the kept setting %s is no value of this version's: %v", name, err))
			continue
		}
		if base.origins[name].Kind == FromDefault {
			all.texts[name], all.origins[name] = texts, Origin{Kind: FromSetting}
		}
	}
	var err error
	if s.Effective, err = build(all); err == nil {
		s.File, s.Warnings = base.File, base.Warnings
	}
	return s, err
}

// Get is what is in force now.
func (k *Keeper) Get() Settings {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current
}

// OnChange has a function told of each change after it, in order, until stop is
// called. The function may not change settings itself, and should be quick.
func (k *Keeper) OnChange(tell func(Settings)) (stop func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id := k.next
	k.next++
	k.follow[id] = tell
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.follow, id)
	}
}

// Rebase puts the settings over another base, when the file has changed: see
// Effective.Follow.
func (k *Keeper) Rebase(base *Effective) (Settings, error) {
	k.changing.Lock()
	defer k.changing.Unlock()
	s, err := over(base, k.kept)
	if err != nil {
		return k.Get(), err
	}
	k.enforce(base, k.kept, s)
	return s, nil
}

// enforce puts settings in force and tells everybody; changing is held.
func (k *Keeper) enforce(base *Effective, kept document, s Settings) {
	k.mu.Lock()
	k.base, k.kept, k.current = base, kept, s
	var tell []func(Settings)
	for _, id := range slices.Sorted(maps.Keys(k.follow)) {
		tell = append(tell, k.follow[id])
	}
	k.mu.Unlock()
	for _, f := range tell {
		f(s)
	}
}

// Settings are the fields that can be changed while the appliance runs.
func (s Settings) Settings() (list []Setting) {
	for _, f := range table {
		if !f.Runtime {
			continue
		}
		texts, origin := s.texts[f.Name], s.origins[f.Name]
		without, _ := f.canonical(f.split(f.Default))
		list = append(list, Setting{
			Value:   Value{f.Name, f.value(texts), origin},
			Default: f.value(without),
			Fixed:   origin.Kind != FromDefault && origin.Kind != FromSetting,
			Type:    f.Type(), List: f.List(), OneOf: f.OneOf(), Want: f.Want(), Doc: f.Doc,
		})
	}
	return list
}

// Set changes settings: each named field to a value as Setting.Value has it, or,
// with nil, to its default. Nothing changes unless everything is right and
// version is the one in force; -1 stands for any. A *FieldError for each wrong
// value, a *FixedError for what cannot be changed, a *VersionError.
func (k *Keeper) Set(ctx context.Context, version int64, patch map[string]any) (Settings, error) {
	k.changing.Lock()
	defer k.changing.Unlock()
	changes, err := k.parse(patch)
	if err != nil {
		return k.Get(), err
	}
	var kept document
	var now Settings
	err = k.db.Write(ctx, func(tx *sql.Tx) error {
		if kept, err = readDocument(ctx, tx); err != nil {
			return err
		}
		if version >= 0 && version != kept.version {
			return &VersionError{version, kept.version}
		}
		before, after := kept.apply(changes)
		if len(after) == 0 {
			return errUnchanged
		}
		kept.version, kept.changed = kept.version+1, time.UnixMilli(time.Now().UnixMilli())
		if now, err = over(k.base, kept); err != nil {
			return err
		}
		if err := kept.write(ctx, tx); err != nil {
			return err
		}
		return k.audit.Append(ctx, tx, audit.Entry{Action: "settings.update", Target: "settings", Before: before, After: after})
	})
	if errors.Is(err, errUnchanged) {
		return k.Get(), nil
	}
	if err != nil {
		return k.Get(), err
	}
	k.enforce(k.base, kept, now)
	return now, nil
}

// errUnchanged ends a transaction that has nothing to do.
var errUnchanged = errors.New("unchanged")
