package clusters

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/sealstream"
	"github.com/landfall-dev/landfall/lifecycle/cluster/backup"
	"github.com/landfall-dev/landfall/lifecycle/cluster/plan"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// BackupPurpose is what keys of backups are derived for: see sitevalues.DeriveFrom.
const BackupPurpose = "landfall cluster backup"

// Backup is one that is ready to be written.
type Backup struct {
	c        *Clusters
	content  backup.Content
	key      []byte
	from     string // host that has the state
	snapshot string
}

// keyOr is a key, or that of the site.
func (c *Clusters) keyOr(key []byte) ([]byte, error) {
	if len(key) == 0 {
		return c.opts.Values.Derive(BackupPurpose)
	}
	if len(key) != sealstream.KeySize {
		return nil, fmt.Errorf("key: %w: it has %d bytes, want %d", registry.ErrInvalid, len(key), sealstream.KeySize)
	}
	return key, nil
}

// Backup saves the state of a cluster's etcd, and gathers all else that it can be formed
// again from. Without a key it is encrypted with one of the site's own. ErrConflict while
// something is being done to the cluster.
func (c *Clusters) Backup(ctx context.Context, name string, key []byte) (b *Backup, err error) {
	r, err := c.running(ctx, name)
	if err != nil {
		return nil, err
	}
	last, err := lastRun(ctx, c.db.Read, name)
	if err != nil {
		return nil, err
	}
	if last != nil && last.state.open() {
		return nil, fmt.Errorf("cluster %s: %w: %s %s is %s: a backup is of a cluster to which nothing is being done", name, registry.ErrConflict, last.kind, last.id, last.state)
	}
	b = &Backup{c: c}
	if b.key, err = c.keyOr(key); err != nil {
		return nil, err
	}
	in, err := c.input(ctx, r, r.running, "")
	if err != nil {
		return nil, err
	}
	if b.content, err = c.contentOf(ctx, r, in); err != nil {
		return nil, err
	}
	return b, b.save(ctx, in)
}

// contentOf is all that is kept of a cluster here.
func (c *Clusters) contentOf(ctx context.Context, r *row, in *plan.Input) (content backup.Content, err error) {
	if in.To.Kubernetes.Distribution != "kubeadm" {
		return content, fmt.Errorf("cluster %s: %w: this version backs clusters of kubeadm up only, not of %s", r.name, registry.ErrInvalid, in.To.Kubernetes.Distribution)
	}
	st, err := c.opts.Definitions.Get(ctx, r.running)
	if err != nil {
		return content, err
	}
	own, err := c.own(ctx, r, st.Definition)
	if err != nil {
		return content, err
	}
	given, err := c.opts.Values.Given(ctx, st.Definition.Name)
	if err != nil {
		return content, err
	}
	content.Values = map[string]json.RawMessage{}
	for _, v := range st.Definition.Variables {
		value, is := own[v.Name]
		if !is {
			value, is = given[v.Name]
		}
		if !is {
			continue
		}
		if content.Values[v.Name], err = json.Marshal(value); err != nil {
			return content, err
		}
	}
	content.Spec = r.spec.Clone()
	content.Spec.Definition, content.Spec.Variables = r.running, nil
	s := &site{c: c, name: r.name}
	if content.Keys, err = s.Keys(ctx); err != nil {
		return content, err
	}
	content.Manifest = backup.Manifest{Created: time.Now().UTC(), Cluster: r.name, Definition: r.running, Ref: st.Ref.String(), Digest: st.Digest, Kubernetes: st.Definition.Kubernetes.Version}
	content.Password, err = c.password(r)
	return content, err
}

// save has a control plane save the state.
func (b *Backup) save(ctx context.Context, in *plan.Input) error {
	i := slices.IndexFunc(in.Hosts, func(h host.Host) bool { return h.Online && slices.Contains(in.Spec.ControlPlane.Hosts, h.Name) })
	if i < 0 {
		return fmt.Errorf("cluster %s: %w: no host of its control plane is here", in.Spec.Name, registry.ErrUnreachable)
	}
	b.from, b.snapshot = in.Hosts[i].Name, "backup-"+strings.ToLower(rand.Text())
	result, err := b.do(ctx, host.Op{Snapshot: &host.Snapshot{Name: b.snapshot}})
	if err != nil {
		return err
	}
	var saved host.Snapshotted
	if err := result.Decode(&saved); err != nil {
		return fmt.Errorf("host %s: %w", b.from, err)
	}
	b.content.Manifest.State = backup.Part{Size: saved.Size, Digest: saved.Digest}
	return nil
}

func (b *Backup) do(ctx context.Context, op host.Op) (host.Result, error) {
	op.ID = b.snapshot + "." + strings.ReplaceAll(op.Kind(), " ", "-")
	result, err := b.c.opts.Hosts.Do(ctx, b.from, op, nil)
	if err == nil && result.Error != nil {
		err = result.Error
	}
	if err != nil {
		err = fmt.Errorf("host %s: %s: %w", b.from, op.Kind(), err)
	}
	return result, err
}

// Write writes the backup, the state as it comes from the host. An error means that what
// was written counts for nothing.
func (b *Backup) Write(ctx context.Context, to io.Writer) error {
	w, err := backup.NewWriter(to, b.key, b.content)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	written := false
	as := "backup-" + rand.Text()
	release := b.c.opts.Hosts.Expect(as, host.Transfer{Host: b.from, Take: func(from io.Reader) error {
		err := w.WriteState(from)
		if written = err == nil; !written {
			end(err) // nobody takes it any more
		}
		return err
	}})
	defer release()
	_, err = b.do(ctx, host.Op{Carry: &host.Carry{Snapshot: b.snapshot, As: as, Digest: b.content.Manifest.State.Digest}})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil && !written:
		err = errors.New("the host has sent nothing")
	}
	return err
}
