package clusters

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/sealstream"
	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/backup"
	"github.com/landfall-dev/landfall/lifecycle/cluster/plan"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/definitions"
)

// RestoreRequest says on which hosts a cluster is formed again.
type RestoreRequest struct {
	Document string            `json:"document,omitempty" doc:"cluster.yaml of the same cluster with fresh hosts"`
	Hosts    map[string]string `json:"hosts,omitempty" doc:"Instead: fresh hosts by the names of those that they take the place of; the others are called as before"`
	Key      []byte            `json:"key,omitempty" doc:"That it was encrypted with; the site's own without it"`
}

// stateLine is what a state begins with that is kept until a host has it.
const stateLine = "landfall-cluster-state-1"

func (c *Clusters) statePath(name string) string { return filepath.Join(c.opts.Folder, name+".state") }

func stateAs(name string) string { return "state-" + name }

// Restore begins to form a cluster again from a backup on fresh hosts. Nothing is kept
// when the backup is not whole, a cluster of that name is there, or the site lacks
// something of its definition.
func (c *Clusters) Restore(ctx context.Context, r RestoreRequest, from io.Reader) (*Cluster, error) {
	key, err := c.keyOr(r.Key)
	if err != nil {
		return nil, err
	}
	b, err := backup.NewReader(from, key)
	if err != nil {
		return nil, err
	}
	spec, err := r.spec(b.Content.Spec)
	if err != nil {
		return nil, err
	}
	p, in, err := c.planRestore(ctx, spec, &b.Content)
	if err != nil {
		return nil, err
	}
	if err := c.keepState(spec.Name, b.ReadState); err != nil {
		return nil, err
	}
	if err := c.beginRestore(ctx, p, spec, in, &b.Content); err != nil {
		return nil, errors.Join(err, c.dropState(spec.Name))
	}
	return c.Get(ctx, spec.Name)
}

// spec is that of the backup with fresh hosts.
func (r *RestoreRequest) spec(was *cluster.Spec) (*cluster.Spec, error) {
	if r.Document != "" {
		s, err := cluster.Parse("cluster.yaml", []byte(r.Document))
		switch {
		case err != nil:
			return nil, err
		case s.Name != was.Name || s.Definition != was.Definition:
			return nil, fmt.Errorf("cluster.yaml: %w: it is of cluster %s with %s, and the backup of %s with %s", registry.ErrInvalid, s.Name, s.Definition, was.Name, was.Definition)
		case s.Network.Pods != was.Network.Pods || s.Network.Services != was.Network.Services || s.Network.Domain != was.Network.Domain:
			return nil, fmt.Errorf("cluster.yaml: %w: pods, services and domain of its network have to be those of the backup: %s, %s, %s", registry.ErrInvalid, was.Network.Pods, was.Network.Services, was.Network.Domain)
		}
		s.Variables = nil
		return s, nil
	}
	s := was.Clone()
	for _, old := range slices.Sorted(maps.Keys(r.Hosts)) {
		if was.Pool(old) == "" {
			return nil, fmt.Errorf("host %s: %w: the cluster of the backup has %s", old, registry.ErrNotFound, strings.Join(was.Hosts(), ", "))
		}
	}
	replace := func(list []string) {
		for i, name := range list {
			if fresh := r.Hosts[name]; fresh != "" {
				list[i] = fresh
			}
		}
	}
	replace(s.ControlPlane.Hosts)
	for i := range s.Workers {
		replace(s.Workers[i].Hosts)
	}
	content, err := s.Document()
	if err != nil {
		return nil, err
	}
	return cluster.Parse("cluster.yaml", content)
}

// planRestore proves that it can be begun, before anything is kept.
func (c *Clusters) planRestore(ctx context.Context, spec *cluster.Spec, b *backup.Content) (*cluster.Plan, *plan.Input, error) {
	if _, err := c.row(ctx, c.db.Read, spec.Name); err == nil {
		return nil, nil, fmt.Errorf("cluster %s: %w: there is one already; 'landfall cluster delete %s' takes it away", spec.Name, registry.ErrConflict, spec.Name)
	} else if !errors.Is(err, registry.ErrNotFound) {
		return nil, nil, err
	}
	in, err := c.input(ctx, &row{name: spec.Name, spec: spec}, spec.Definition, "")
	if err != nil {
		return nil, nil, fmt.Errorf("backup of cluster %s: %w", spec.Name, err)
	}
	if st, err := c.opts.Definitions.Get(ctx, spec.Definition); err != nil {
		return nil, nil, err
	} else if st.Digest != b.Manifest.Digest {
		return nil, nil, fmt.Errorf("definition %s: %w: the site has %s, and the backup was made with %s: bring that", spec.Definition, registry.ErrDigest, st.Digest, b.Manifest.Digest)
	}
	report, err := c.opts.Definitions.Check(ctx, spec.Definition, definitions.CheckOptions{Platforms: platformsOf(in.Hosts)})
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		return nil, nil, err
	}
	if err := tryOut(ctx, spec, b.Password); err != nil {
		return nil, nil, err
	}
	p, err := plan.Restore(*in, plan.State{As: stateAs(spec.Name), Digest: b.Manifest.State.Digest, Nodes: b.Spec.Hosts()})
	return p, in, err
}

// keepState keeps a state until its host has it, encrypted with the site's own key.
func (c *Clusters) keepState(name string, write func(to io.Writer) error) (err error) {
	key, err := c.opts.Values.Derive(stateLine)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(c.opts.Folder, ".state-*")
	if err != nil {
		return registry.DiskError(err)
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
			err = registry.DiskError(err)
		}
	}()
	w, err := sealstream.NewWriter(f, key, stateLine)
	if err != nil {
		return err
	}
	if err := errors.Join(write(w), w.Close(), f.Sync()); err != nil {
		return err
	}
	return durable.Rename(f.Name(), c.statePath(name))
}

func (c *Clusters) dropState(name string) error {
	if err := os.Remove(c.statePath(name)); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// giveState lets the first host of a cluster that is restored have the state.
func (c *Clusters) giveState(spec *cluster.Spec) (release func()) {
	return c.opts.Hosts.Expect(stateAs(spec.Name), host.Transfer{Host: spec.ControlPlane.Hosts[0], Give: func(to io.Writer) error {
		key, err := c.opts.Values.Derive(stateLine)
		if err != nil {
			return err
		}
		f, err := os.Open(c.statePath(spec.Name))
		if err != nil {
			return err
		}
		defer f.Close()
		r, err := sealstream.NewReader(f, key, stateLine)
		if err != nil {
			return err
		}
		_, err = io.Copy(to, r)
		return err
	}})
}

// beginRestore keeps what is known of the cluster, and begins.
func (c *Clusters) beginRestore(ctx context.Context, p *cluster.Plan, spec *cluster.Spec, in *plan.Input, b *backup.Content) error {
	values := map[string]any{}
	for name, content := range b.Values {
		value, err := sitevalues.Decode(content)
		if err != nil {
			return fmt.Errorf("value of %s: %w", name, err)
		}
		values[name] = value
	}
	keys, password, err := c.sealRestored(spec.Name, b)
	if err != nil {
		return err
	}
	document, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	if err := c.dropValues(ctx, spec.Name); err != nil { // of one that was
		return err
	}
	if len(values) > 0 {
		if err := c.opts.Values.Set(ctx, valuesOf(spec.Name), in.To, sitevalues.Patch{Set: values}); err != nil {
			return err
		}
	}
	taken, err := c.take(ctx, spec)
	if err != nil {
		return errors.Join(err, c.dropValues(ctx, spec.Name))
	}
	err = c.begin(ctx, p, func(tx *sql.Tx) error {
		at := now()
		_, err := tx.ExecContext(ctx, `INSERT INTO clusters (name, spec, keys, password, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)`, spec.Name, string(document), keys, password, at, at)
		if err != nil && strings.Contains(err.Error(), "UNIQUE") {
			return fmt.Errorf("cluster %s: %w: there is one already", spec.Name, registry.ErrConflict)
		}
		return err
	})
	if err != nil {
		return errors.Join(err, c.giveBack(ctx, taken), c.dropValues(ctx, spec.Name))
	}
	return nil
}

func (c *Clusters) sealRestored(name string, b *backup.Content) (keys, password []byte, err error) {
	content, err := json.Marshal(b.Keys)
	if err != nil {
		return nil, nil, err
	}
	if keys, err = c.opts.Values.Seal(content, scope(name), sealedKeys); err != nil || b.Password == "" {
		return keys, nil, err
	}
	password, err = c.opts.Values.Seal([]byte(b.Password), scope(name), sealedPassword)
	return keys, password, err
}
