package clusters

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
	"github.com/landfall-dev/landfall/lifecycle/cluster/layer"
	"github.com/landfall-dev/landfall/lifecycle/cluster/pki"
	"github.com/landfall-dev/landfall/lifecycle/cluster/run"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/definitions"
)

// site is the appliance as a run of a cluster needs it.
type site struct {
	c    *Clusters
	name string
	run  *runRow
}

var _ run.Site = (*site)(nil)

// scope is where secrets of a cluster are sealed to.
func scope(name string) string { return "cluster/" + name }

const sealedKeys = "keys" // the secret

// Site implements run.Site.
func (s *site) Site(ctx context.Context, act cluster.SiteAct, _ map[string]json.RawMessage, tell func(string)) error {
	switch act.Do {
	case cluster.CheckClosure:
		return s.gate(ctx, act.Definition)
	case cluster.PinContent:
		return s.pin(ctx, act.As, act.Definition)
	case cluster.UnpinContent:
		return s.pin(ctx, act.As, "")
	case cluster.MakeKeys:
		return s.makeKeys(ctx)
	case cluster.StageSource:
		return s.stageSource(ctx, act.Definition, tell)
	case cluster.ComparePeers:
		return s.compare(ctx)
	case cluster.Settle:
		return s.settle(ctx, act.Definition)
	case cluster.Forget:
		return s.forget(ctx)
	case cluster.ReleaseHost:
		return s.c.opts.Hosts.SetCluster(ctx, act.Host, "")
	}
	return fmt.Errorf("%w: the plan wants %q, which this version does not know", registry.ErrInvalid, act.Do)
}

// gate asks the closure gate for the platforms of the cluster's hosts.
func (s *site) gate(ctx context.Context, definition string) error {
	r, err := s.c.row(ctx, s.c.db.Read, s.name)
	if err != nil {
		return err
	}
	hosts, err := s.c.hosts(ctx, r.spec)
	if err != nil {
		return err
	}
	return s.c.gate(ctx, definition, hosts)
}

// pin notes that a definition is what the cluster runs, ran or is about to run; "" for
// none. Its content is pinned before that is noted, and let go of after.
func (s *site) pin(ctx context.Context, as, definition string) error {
	column, ok := map[string]string{"running": "running", "previous": "previous", "staged": "staged"}[as]
	if !ok {
		return fmt.Errorf("%w: the plan wants a pin %q", registry.ErrInvalid, as)
	}
	if definition != "" {
		if err := s.c.pinDefinition(ctx, s.name, as, definition); err != nil {
			return err
		}
	}
	if err := s.c.set(ctx, s.name, column+` = ?`, definition); err != nil {
		return err
	}
	return s.c.sweepPins(ctx, s.name)
}

// settle makes a definition the running one, and what ran before it the previous one.
func (s *site) settle(ctx context.Context, definition string) error {
	r, err := s.c.row(ctx, s.c.db.Read, s.name)
	if err != nil {
		return err
	}
	previous := r.previous
	if r.running != definition && r.running != "" {
		previous = r.running
	}
	if s.run.kind == cluster.Rollback { // there is nothing to return to from there
		previous = ""
	}
	for as, name := range map[string]string{"running": definition, "previous": previous} {
		if name == "" {
			continue
		}
		if err := s.c.pinDefinition(ctx, s.name, as, name); err != nil {
			return err
		}
	}
	if err := s.c.set(ctx, s.name, `running = ?, previous = ?, staged = ''`, definition, previous); err != nil {
		return err
	}
	if err := s.c.dropState(s.name); err != nil { // its host has it
		return err
	}
	return s.c.sweepPins(ctx, s.name)
}

// forget lets go of a cluster that is gone.
func (s *site) forget(ctx context.Context) error {
	r, err := s.c.row(ctx, s.c.db.Read, s.name)
	if errors.Is(err, registry.ErrNotFound) { // it was interrupted after that
		return s.c.sweepPins(ctx, s.name)
	}
	if err != nil {
		return err
	}
	hosts, err := s.c.opts.Hosts.List(ctx)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if h.Cluster != s.name {
			continue
		}
		if err := s.c.opts.Hosts.SetCluster(ctx, h.Name, ""); err != nil {
			return err
		}
	}
	if err := s.c.unlock(ctx, r); err != nil {
		return err
	}
	if err := errors.Join(s.c.dropValues(ctx, s.name), s.c.dropState(s.name)); err != nil {
		return err
	}
	s.c.mu.Lock()
	if known := s.c.clients[s.name]; known != nil {
		known.client.Close()
	}
	delete(s.c.clients, s.name)
	s.c.mu.Unlock()
	err = s.c.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM clusters WHERE name = ?`, s.name)
		return err
	})
	if err != nil {
		return registry.DiskError(err)
	}
	return s.c.sweepPins(ctx, s.name)
}

// makeKeys makes the cluster's authorities, unless it has them.
func (s *site) makeKeys(ctx context.Context) error {
	r, err := s.c.row(ctx, s.c.db.Read, s.name)
	if err != nil {
		return err
	}
	if r.keys != nil { // made before, or of a backup
		return s.c.lock(ctx, r)
	}
	keys, err := pki.New(time.Now())
	if err != nil {
		return err
	}
	content, err := json.Marshal(keys)
	if err != nil {
		return err
	}
	sealed, err := s.c.opts.Values.Seal(content, scope(s.name), sealedKeys)
	if err != nil {
		return err
	}
	if err := s.c.lock(ctx, r); err != nil {
		return err
	}
	return s.c.set(ctx, s.name, `keys = ?`, sealed)
}

// Keys implements run.Site.
func (s *site) Keys(ctx context.Context) (*pki.Keys, error) { return s.c.keys(ctx, s.name) }

func (c *Clusters) keys(ctx context.Context, name string) (*pki.Keys, error) {
	r, err := c.row(ctx, c.db.Read, name)
	if err != nil {
		return nil, err
	}
	if r.keys == nil {
		return nil, fmt.Errorf("cluster %s: %w: it has no keys yet", name, registry.ErrNotFound)
	}
	content, err := c.opts.Values.Unseal(r.keys, scope(name), sealedKeys)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: its keys: %w", name, err)
	}
	keys := &pki.Keys{}
	return keys, json.Unmarshal(content, keys)
}

// Kube implements run.Site.
func (s *site) Kube(ctx context.Context) (run.Kube, error) { return s.c.kube(ctx, s.name) }

// Names and lives of the certificates with which a cluster is spoken to.
const (
	ourName  = "landfall"
	ourLife  = 24 * time.Hour
	ourHalf  = ourLife / 2 // then another one is made
	userLife = 365 * 24 * time.Hour
)

// kube speaks to a cluster.
func (c *Clusters) kube(ctx context.Context, name string) (Kube, error) {
	r, err := c.row(ctx, c.db.Read, name)
	if err != nil {
		return nil, err
	}
	endpoint := c.endpoint(ctx, r.spec)
	c.mu.Lock()
	known := c.clients[name]
	c.mu.Unlock()
	if known != nil && known.endpoint == endpoint && time.Now().Before(known.until) {
		return known.client, nil
	}
	config, err := c.kubeconfig(ctx, r, ourName, ourLife)
	if err != nil {
		return nil, err
	}
	client, err := c.opts.Dial(config)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known != nil && c.clients[name] == known {
		known.client.Close()
	}
	c.clients[name] = &dialed{client, endpoint, time.Now().Add(ourHalf)}
	return client, nil
}

// Kubeconfig is a file with which an administrator speaks to a cluster with kubectl,
// valid for a year.
func (c *Clusters) Kubeconfig(ctx context.Context, name string) ([]byte, error) {
	r, err := c.row(ctx, c.db.Read, name)
	if err != nil {
		return nil, err
	}
	return c.kubeconfig(ctx, r, "administrator", userLife)
}

func (c *Clusters) kubeconfig(ctx context.Context, r *row, user string, life time.Duration) ([]byte, error) {
	endpoint := c.endpoint(ctx, r.spec)
	if endpoint == "" {
		return nil, fmt.Errorf("cluster %s: %w: the address of its control plane is not known: its host was not heard of", r.name, registry.ErrUnreachable)
	}
	keys, err := c.keys(ctx, r.name)
	if err != nil {
		return nil, err
	}
	return keys.Kubeconfig(r.name, endpoint, user, pki.Administrators, time.Now(), life)
}

// Layer implements run.Site.
func (s *site) Layer(ctx context.Context, name, of string) (*kube.Layer, error) {
	r, err := s.c.row(ctx, s.c.db.Read, s.name)
	if err != nil {
		return nil, err
	}
	st, err := s.c.opts.Definitions.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	own, err := s.c.own(ctx, r, st.Definition)
	if err != nil {
		return nil, err
	}
	return s.c.render(ctx, r, st, of, own)
}

// render renders a layer for a cluster with values of its own.
func (c *Clusters) render(ctx context.Context, r *row, st *definitions.Stored, of string, own map[string]any) (*kube.Layer, error) {
	given, err := c.opts.Values.Given(ctx, st.Definition.Name)
	if err != nil {
		return nil, err
	}
	from, err := c.source(ctx, r.spec)
	if err != nil {
		return nil, err
	}
	return layer.Render(ctx, st.Definition, of, layer.Options{Blobs: c.store, Repository: st.Ref.Repository, Renderer: c.opts.Renderer,
		Cluster: r.name, Registry: from.URL, Given: given, Own: own, Sets: r.spec.ValueSets})
}

// Allowed implements run.Site.
func (s *site) Allowed(ctx context.Context, name string) (map[string][]digest.Digest, error) {
	st, err := s.c.opts.Definitions.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	allowed := map[string][]digest.Digest{}
	for _, i := range st.Definition.Images {
		list := []digest.Digest{i.Digest}
		for _, m := range i.Manifests {
			list = append(list, m.Digest)
			for _, b := range m.Blobs { // a runtime may tell an image by its config
				list = append(list, b.Digest)
			}
		}
		allowed[i.Name] = list
	}
	return allowed, nil
}
