package agent

import (
	"errors"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// kinds are what the management API calls errors; the first that an error is counts.
var kinds = []struct {
	name string
	err  error
}{
	{"not_found", registry.ErrNotFound},
	{"no_space", registry.ErrNoSpace},
	{"conflict", registry.ErrConflict},
	{"digest", registry.ErrDigest},
	{"size", registry.ErrSize},
	{"incomplete", registry.ErrIncomplete},
	{"untrusted", registry.ErrUntrusted},
	{"denied", registry.ErrDenied},
	{"unreachable", registry.ErrUnreachable},
	{"invalid", registry.ErrInvalid},
}

// failed is a result with the error as its end.
func failed(r host.Result, err error) host.Result {
	r.State, r.Ended = host.Failed, time.Now().UTC()
	r.Error = &host.Failure{Kind: "failed", Message: err.Error()}
	err = registry.DiskError(err)
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			r.Error.Kind = k.name
			break
		}
	}
	return r
}
