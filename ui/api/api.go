// Package api is the appliance's management API: JSON over HTTP below /api/v1,
// described by an OpenAPI document that is made from the same types. API serves
// it, Client speaks it for the command line; what the operations do lives in the
// packages that they call, so a verb does the same thing whether it opens the data
// folder itself or asks the appliance that has it.
//
// Nouns. An operation is one method on one path, with the right that it needs. A
// problem is an error as clients get it (RFC 9457). What takes long is a job: the
// operation that starts one answers with it at once, and it goes on whoever
// leaves; an Idempotency-Key makes sure that it is started once. A page is a part
// of a list; its next asks for the rest. A document is a text with an ETag, which
// If-Match keeps from being overwritten unseen.
package api

import (
	"context"
	"io"
	"log/slog"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/auth"
	"github.com/landfall-dev/landfall/ui/browse"
	"github.com/landfall-dev/landfall/ui/certs"
	"github.com/landfall-dev/landfall/ui/clusters"
	"github.com/landfall-dev/landfall/ui/definitions"
	"github.com/landfall-dev/landfall/ui/diagnostics"
	"github.com/landfall-dev/landfall/ui/drives"
	"github.com/landfall-dev/landfall/ui/events"
	"github.com/landfall-dev/landfall/ui/history"
	"github.com/landfall-dev/landfall/ui/host"
	"github.com/landfall-dev/landfall/ui/hosts"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/settings"
	"github.com/landfall-dev/landfall/ui/upload"
)

// Site is what can be managed: a store, or an appliance through a Client.
type Site interface {
	Upkeep
	Watcher
	Pinner
	Policer
	Holder
	Backupper
	Truster
	Anywhere
}

// Upkeep keeps a store in order.
type Upkeep interface {
	Scrub(ctx context.Context, opts store.ScrubOptions) (*store.Scrubbed, error)
	Collect(ctx context.Context, opts store.CollectOptions) (*store.Collected, error)
	Undo(ctx context.Context) (store.Restored, error)
	Why(ctx context.Context, d digest.Digest) (*store.Explanation, error)
}

// Watcher tells how a store does.
type Watcher interface {
	Examine(ctx context.Context) ([]store.Finding, error)
	Stats(ctx context.Context) (store.Stats, error)
}

// Pinner manages pins.
type Pinner interface {
	Pin(ctx context.Context, ref registry.Ref, owner, reason string) (store.Pin, error)
	Unpin(ctx context.Context, ref registry.Ref, owner string) error
	Pins(ctx context.Context) ([]store.Pin, error)
}

// Policer manages retention.
type Policer interface {
	Policy(ctx context.Context) ([]byte, error)
	SetPolicy(ctx context.Context, content []byte) error
	Retain(ctx context.Context, opts store.RetainOptions) (*store.Retained, error)
}

// Backupper is what a backup is made from.
type Backupper interface {
	Snapshot(ctx context.Context) (io.ReadCloser, error)
	BlobBytes(ctx context.Context, d digest.Digest) (io.ReadCloser, error)
}

var (
	_ Site = (*store.Store)(nil)
	_ Site = (*Client)(nil)
)

// Keyer has the key with which the site signs.
type Keyer interface {
	SiteKey(ctx context.Context) (*trust.PrivateKey, error)
}

// Options are what an API offers. What is nil is not offered.
type Options struct {
	Version string
	// Log gets what clients are not told. Nil for silence.
	Log *slog.Logger
	// Allow is an error when the context's subject has not a right; nil allows
	// everything.
	Allow func(ctx context.Context, right Right) error
	// MayRepository says whether the context's subject may pull, push or delete
	// in a repository; nil: wherever its rights allow it.
	MayRepository func(ctx context.Context, action, repository string) bool
	// Check is an error when the context's subject has ended meanwhile, for what
	// goes on for long; nil: none does.
	Check func(ctx context.Context) error
	// Ending is closed when the appliance ends: then what only lasts as long ends.
	Ending <-chan struct{}

	Site    Site
	Browser *browse.Browser
	Jobs    *jobs.Pool
	Events  *events.Bus
	// Uploader is whose uploads the context's subject means, and whether it may see
	// those of others; nil: everybody sees all.
	Uploader    func(ctx context.Context) (owner string, all bool)
	Lander      Lander
	Drives      *drives.Drives
	Uploads     *upload.Uploads
	Exports     string // the folder of bundles that were made
	Temp        string // a folder for what is read once and does not fit into memory
	Definitions *definitions.Definitions
	Hosts       *hosts.Hosts       // that are linked
	Clusters    *clusters.Clusters // of these
	// Mirrors runs mirrors.
	Mirrors     Mirrorer
	Auth        *auth.Auth
	OIDC        bool // people can sign in through an identity provider
	Audit       *audit.Log
	Keys        Keyer
	Settings    *settings.Keeper
	Certs       *certs.Certs
	Host        host.Options
	History     *history.History
	Diagnostics diagnostics.Sources
}
