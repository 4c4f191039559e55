// Package api is the appliance's management API, for the command line on the
// same machine and elsewhere: upkeep and trust of the store, landing bundles, and
// mirrors, as JSON over HTTP below /api/v1. Handler serves it, Client speaks it; both are the same functions of
// the store, so a verb does the same thing whether it opens the data folder
// itself or asks the appliance that has it.
//
// A request that is refused gets a status and one object with the kind of
// error and its text. Long verbs answer with a stream of JSON objects, one a
// line: events while they run, then one result or one error. Ending the request
// ends the verb, but for the landing of an attached bundle.
package api

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
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

// event is one line of a stream.
type event[E, R any] struct {
	Event  *E      `json:"event,omitempty"`
	Result *R      `json:"result,omitempty"`
	Error  *failed `json:"error,omitempty"`
}

// The bodies of requests.
type (
	scrubRequest struct {
		Fresh bool  `json:"fresh"`
		Rate  int64 `json:"rate"`
	}
	collectRequest struct {
		DryRun bool `json:"dryRun"`
		Now    bool `json:"now"`
		Kept   bool `json:"kept"` // tell of what is kept
	}
	pinRequest struct {
		Repository string        `json:"repository"`
		Tag        string        `json:"tag,omitempty"`
		Digest     digest.Digest `json:"digest,omitempty"`
		Owner      string        `json:"owner"`
		Reason     string        `json:"reason,omitempty"`
	}
	retainRequest struct {
		DryRun bool   `json:"dryRun"`
		Policy []byte `json:"policy"` // null: the one in force
	}
)
