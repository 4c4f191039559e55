package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/remote"
)

// Options of a Target. The zero value is the default.
type Options struct {
	Password string // of the source's account
	// Jobs is how many blobs or manifests move or are looked for at once;
	// registry.DefaultJobs when 0.
	Jobs int
}

// Target is a source that is not the appliance's own registry, as the appliance reaches
// it. It is safe for concurrent use.
type Target struct {
	spec   Spec
	opts   Options
	remote *remote.Registry
	api    *http.Client // of a Harbor's management; nil for others
}

// Open makes a Target of a source. It dials nobody yet. ErrInvalid names what is wrong.
func Open(spec Spec, opts Options) (*Target, error) {
	if spec.Own() {
		return nil, fmt.Errorf("source: %w: the appliance's own registry is no target", registry.ErrInvalid)
	}
	opts.Jobs = cmp.Or(opts.Jobs, registry.DefaultJobs)
	r, err := remote.New(remote.Options{Server: spec.URL, CA: []byte(spec.CA), Keychain: remote.Credentials{Username: spec.Username, Password: opts.Password}})
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", spec.URL, err)
	}
	t := &Target{spec: spec, opts: opts, remote: r}
	if spec.Type == Harbor {
		t.api, err = newAPI([]byte(spec.CA))
	}
	return t, err
}

// Close gives idle connections back.
func (t *Target) Close() error {
	if t.api != nil {
		t.api.CloseIdleConnections()
	}
	return t.remote.Close()
}

// Check sees whether the target answers, knows its project, and lets the account read.
// Whether it lets it write is seen when something is written.
func (t *Target) Check(ctx context.Context) error {
	if t.spec.Type == Harbor {
		if err := t.project(ctx); err != nil {
			return err
		}
	}
	_, err := t.remote.Resolve(ctx, registry.Ref{Repository: t.spec.Repository(definition.DefaultRepository + "/none"), Tag: "none"})
	if errors.Is(err, registry.ErrNotFound) {
		return nil // so it has been looked for
	}
	return t.explain(err)
}

// explain says what to do about what a target refused.
func (t *Target) explain(err error) error {
	if side := (*registry.CopyError)(nil); errors.As(err, &side) && side.Side == "source" {
		return fmt.Errorf("from the appliance's own registry: %w", err) // not the target's doing
	}
	cure := ""
	switch {
	case err == nil:
		return nil
	case errors.Is(err, registry.ErrDenied) && t.spec.Username == "":
		cure = "name an account that may read and write there: username in the cluster's source, and --password-file"
	case errors.Is(err, registry.ErrDenied):
		cure = fmt.Sprintf("account %s: its password has to be right, and it needs the rights to push and pull there", t.spec.Username)
	case errors.Is(err, registry.ErrNoSpace):
		cure = "raise its quota, or make room there"
	case errors.Is(err, registry.ErrConflict):
		cure = "a rule there keeps a tag from being moved: take " + t.spec.String() + " out of the rules for immutable tags"
	case errors.Is(err, registry.ErrIncomplete):
		cure = "registries like this one take an index only with the images of all its platforms: build the definition for all platforms of these images, or have the registry accept indexes that lack some"
	}
	if cure == "" {
		return fmt.Errorf("source %s: %w", t.spec.URL, err)
	}
	return fmt.Errorf("source %s: %w: %s", t.spec.URL, err, cure)
}
