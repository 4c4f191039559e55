package clusters

import (
	"context"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/source"
	"github.com/landfall-dev/landfall/registry"
)

const sealedPassword = "password" // the secret

// source is where a cluster's hosts pull from, without its password.
func (c *Clusters) source(ctx context.Context, spec *cluster.Spec) (host.Source, error) {
	if !spec.Source.Own() {
		return spec.Source.Hosts(), nil
	}
	from, err := c.opts.Registry(ctx)
	if spec.Source.URL != "" {
		from.URL = spec.Source.URL
	}
	return from, err
}

// tryLimit is for how long a source is tried out before a cluster is made.
const tryLimit = time.Minute

// tryOut sees that a cluster's source answers and lets its account in, before anything
// is begun.
func tryOut(ctx context.Context, spec *cluster.Spec, password string) error {
	from := &spec.Source
	switch {
	case (from.Username == "") != (password == ""):
		return fmt.Errorf("source %s: %w: an account needs a username in the document and its password beside it: --password-file", from.URL, registry.ErrInvalid)
	case from.Own():
		return nil
	}
	target, err := source.Open(*from, source.Options{Password: password})
	if err != nil {
		return err
	}
	defer target.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, tryLimit, fmt.Errorf("source %s: %w: no answer within %s", from.URL, registry.ErrUnreachable, tryLimit))
	defer cancel()
	return target.Check(ctx)
}

// stageSource brings a definition to the cluster's source, and proves it there. Of the
// appliance's own registry the gate has proven what it has.
func (s *site) stageSource(ctx context.Context, definition string, tell func(string)) error {
	r, err := s.c.row(ctx, s.c.db.Read, s.name)
	if err != nil || r.spec.Source.Own() {
		return err
	}
	st, err := s.c.opts.Definitions.Get(ctx, definition)
	if err != nil {
		return err
	}
	password, err := s.c.password(r)
	if err != nil {
		return err
	}
	target, err := source.Open(r.spec.Source, source.Options{Password: password})
	if err != nil {
		return err
	}
	defer target.Close()
	if err := target.Check(ctx); err != nil {
		return err
	}
	content := source.Content{Definition: st.Definition, Ref: st.Ref, Digest: st.Digest}
	staged, err := target.Stage(ctx, s.c.store, content, func(p source.Progress) { tell(progressText(definition, p)) })
	if err != nil {
		return fmt.Errorf("definition %s: %w", definition, err)
	}
	s.c.opts.Log.InfoContext(ctx, "a definition is at the cluster's source", "cluster", s.name, "definition", definition, "source", r.spec.Source.String(),
		"moved", staged.Moved, "proven", staged.Proven)
	return nil
}

func progressText(definition string, p source.Progress) string {
	if p.Image == "" {
		return fmt.Sprintf("%s: %d digests proven at the source, %s moved", definition, p.Proven, units.Bytes(p.Moved))
	}
	return fmt.Sprintf("%s: %s, %d of %d, %s moved", definition, p.Image, p.Done+1, p.Of, units.Bytes(p.Moved))
}

// sealPassword keeps a source's password from who reads the database; nil for none.
func (c *Clusters) sealPassword(name, password string) ([]byte, error) {
	if password == "" {
		return nil, nil
	}
	return c.opts.Values.Seal([]byte(password), scope(name), sealedPassword)
}

// password is that of a cluster's source; empty when it has none.
func (c *Clusters) password(r *row) (string, error) {
	if r.password == nil {
		return "", nil
	}
	content, err := c.opts.Values.Unseal(r.password, scope(r.name), sealedPassword)
	if err != nil {
		return "", fmt.Errorf("cluster %s: the password of its source: %w", r.name, err)
	}
	return string(content), nil
}

// Login implements run.Site.
func (s *site) Login(ctx context.Context) (user, password string, err error) {
	r, err := s.c.row(ctx, s.c.db.Read, s.name)
	if err != nil {
		return "", "", err
	}
	password, err = s.c.password(r)
	return r.spec.Source.Username, password, err
}
