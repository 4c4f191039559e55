// Package definitions is what a site knows of cluster definitions: which it has, who
// signed them, whether all that they reach is here, and what the site says to their
// variables. It asks the closure gate by itself whenever content came or went, and
// tells what changed. The gate itself is package closure's, values are sitevalues', and
// what a definition is, package definition says.
//
// Nouns. A definition of the site is an artifact in its store. Its name for people is
// NAME:VERSION, or its reference. A check is what the gate found, with its time. The
// site's platforms are those of its hosts; of each definition of the site the last check
// for these is kept.
package definitions

import (
	"cmp"
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/events"
)

//go:embed migrations/*.sql
var migrations embed.FS

// EventChecked is the type of the event that tells of a check of a definition of the
// site, for its platforms, whose result is another one than before. Its data is a Result.
const EventChecked = "definition.checked"

// Options of Definitions. The zero value is the default.
type Options struct {
	// Platforms are those of the site's hosts. Nil, or none: all that a definition is
	// for.
	Platforms func(ctx context.Context) ([]registry.Platform, error)
	// Values are what the site says to variables; nil: nothing can be said.
	Values *sitevalues.Values
	Events *events.Bus  // nil: nobody is told
	Log    *slog.Logger // nil for silence
}

// Definitions are those of one site.
type Definitions struct {
	store *store.Store
	db    *sqldb.DB
	opts  Options
	wake  chan struct{} // content came or went

	checking sync.Mutex // held while all are checked: they take turns

	mu    sync.Mutex               // protects the rest
	cache []*Stored                // those that were read last, the newest last
	facts map[digest.Digest]*facts // of all that were listed, by the artifact's manifest
}

// Open opens what a store's database knows of its definitions.
func Open(ctx context.Context, s *store.Store, opts Options) (*Definitions, error) {
	content, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	db, err := s.Tables(ctx, "definitions", content, `DELETE FROM definition_checks`)
	if err != nil {
		return nil, registry.DiskError(err)
	}
	opts.Log = cmp.Or(opts.Log, slog.New(slog.DiscardHandler))
	return &Definitions{store: s, db: db, opts: opts, wake: make(chan struct{}, 1), facts: map[digest.Digest]*facts{}}, nil
}

// Stored is a definition that the site has.
type Stored struct {
	Ref        registry.Ref           // as the site lists it
	Digest     digest.Digest          // of the artifact's manifest
	Definition *definition.Definition // for reading only: others have it, too
	Document   []byte                 // canonical; for reading only
}

// Summary is a definition in a list.
type Summary struct {
	Reference  string                 `json:"reference" doc:"As the registry names it" example:"definitions.landfall.dev/edge:1.0.0"`
	Name       string                 `json:"name"`
	Version    string                 `json:"version"`
	Digest     digest.Digest          `json:"digest" doc:"Of the artifact's manifest"`
	Document   digest.Digest          `json:"document" doc:"Of the document"`
	Kubernetes *definition.Kubernetes `json:"kubernetes,omitempty"`
	Platforms  []string               `json:"platforms" doc:"That it is for"`
	Layers     int                    `json:"layers"`
	Images     int                    `json:"images"`
	Size       int64                  `json:"size" doc:"Bytes of all that it reaches, for all its platforms"`
	Signatures int                    `json:"signatures" doc:"That are stored with it"`
	Signers    []string               `json:"signers" doc:"Owners of trusted keys that have signed the document"`
	Updated    time.Time              `json:"updated,omitzero" doc:"When its name was set"`
	Gate       *Gate                  `json:"gate,omitempty" doc:"What the closure gate found last for the site's platforms; absent when it was not asked yet"`
	Problem    string                 `json:"problem,omitempty" doc:"Why it cannot be read; then most of the rest is empty"`
}
