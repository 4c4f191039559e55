package clusters

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/plan"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/definitions"
)

// JobKind is the kind of the jobs that carry runs out; their subject is the cluster.
const JobKind = "cluster"

// atOnce is how many clusters are worked on at once.
const atOnce = 8

// args are what a job is asked for.
type args struct {
	Cluster string `json:"cluster"`
	Run     string `json:"run"`
}

// CreateRequest is a cluster to be made.
type CreateRequest struct {
	Document string `json:"document" doc:"cluster.yaml"`
	Password string `json:"password,omitempty" doc:"Of the account of its source; it is kept sealed"`
}

// Plan is what forming a cluster would do; nothing is begun.
func (c *Clusters) Plan(ctx context.Context, r CreateRequest) (*cluster.Plan, error) {
	spec, err := cluster.Parse("cluster.yaml", []byte(r.Document))
	if err != nil {
		return nil, err
	}
	in, err := c.input(ctx, &row{spec: spec}, spec.Definition, "")
	if err != nil {
		return nil, err
	}
	return plan.Form(*in)
}

// Create makes a cluster of hosts, and begins to form it. ErrConflict when there is one
// of that name, or a host belongs to another one.
func (c *Clusters) Create(ctx context.Context, r CreateRequest) (*Cluster, error) {
	spec, err := cluster.Parse("cluster.yaml", []byte(r.Document))
	if err != nil {
		return nil, err
	}
	in, err := c.input(ctx, &row{spec: spec}, spec.Definition, "")
	if err != nil {
		return nil, err
	}
	p, err := plan.Form(*in)
	if err != nil {
		return nil, err
	}
	if err := c.gate(ctx, spec.Definition, in.Hosts); err != nil {
		return nil, err
	}
	if err := tryOut(ctx, spec, r.Password); err != nil {
		return nil, err
	}
	if err := c.sealOwn(ctx, spec, in.To); err != nil {
		return nil, err
	}
	content, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	sealed, err := c.sealPassword(spec.Name, r.Password)
	if err != nil {
		return nil, err
	}
	taken, err := c.take(ctx, spec)
	if err != nil {
		return nil, err
	}
	err = c.begin(ctx, p, func(tx *sql.Tx) error {
		at := now()
		_, err := tx.ExecContext(ctx, `INSERT INTO clusters (name, spec, password, created_at, updated_at) VALUES (?, ?, ?, ?, ?)`, spec.Name, string(content), sealed, at, at)
		if err != nil && strings.Contains(err.Error(), "UNIQUE") {
			return fmt.Errorf("cluster %s: %w: there is one already; 'landfall cluster delete %s' takes it away", spec.Name, registry.ErrConflict, spec.Name)
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(err, c.giveBack(ctx, taken))
	}
	return c.Get(ctx, spec.Name)
}

// take makes the hosts of a cluster its own, all or none, and returns those that were
// not its own before.
func (c *Clusters) take(ctx context.Context, spec *cluster.Spec) (taken []string, err error) {
	hosts, err := c.hosts(ctx, spec)
	if err != nil {
		return nil, err
	}
	for _, h := range hosts {
		if h.Cluster == spec.Name {
			continue
		}
		if err := c.opts.Hosts.SetCluster(ctx, h.Name, spec.Name); err != nil {
			return nil, errors.Join(err, c.giveBack(ctx, taken))
		}
		taken = append(taken, h.Name)
	}
	return taken, nil
}

// giveBack lets hosts go that were taken for what could not be begun.
func (c *Clusters) giveBack(ctx context.Context, taken []string) (err error) {
	for _, name := range taken {
		err = errors.Join(err, c.opts.Hosts.SetCluster(ctx, name, ""))
	}
	return err
}

// do begins a run of a plan of a cluster that is there.
func (c *Clusters) do(ctx context.Context, p *cluster.Plan) (*Cluster, error) {
	if err := c.begin(ctx, p, nil); err != nil {
		return nil, err
	}
	return c.Get(ctx, p.Cluster)
}

// waysOut are the kinds of runs that may take the place of one that has stopped.
var waysOut = map[cluster.RunKind][]cluster.RunKind{
	cluster.Form: {cluster.Delete}, cluster.Stage: {cluster.Stage, cluster.Upgrade, cluster.Rollback, cluster.Delete}, cluster.Upgrade: {cluster.Rollback, cluster.Delete}, cluster.Rollback: {cluster.Rollback, cluster.Delete},
	cluster.Restore: {cluster.Delete}, cluster.Scale: {cluster.Scale, cluster.Delete}, cluster.Set: {cluster.Set, cluster.Delete}, cluster.Renew: {cluster.Renew, cluster.Delete}, cluster.Delete: {cluster.Delete},
}

// mayBegin looks whether a cluster's last run lets another one begin, and abandons one
// that has stopped when the new one is a way out of it.
func mayBegin(ctx context.Context, tx *sql.Tx, p *cluster.Plan) error {
	last, err := blocked(ctx, tx, p.Kind, p.Cluster)
	if err != nil || last == nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE cluster_runs SET state = ?, ended_at = ? WHERE id = ?`, RunAbandoned, now(), last.id)
	return err
}

// blocked is an ErrConflict while a cluster's open run keeps one of a kind from
// beginning; else the open run that it would take the place of, nil without one.
func blocked(ctx context.Context, q queryer, kind cluster.RunKind, name string) (*runRow, error) {
	last, err := lastRun(ctx, q, name)
	if err != nil || last == nil || !last.state.open() {
		return nil, err
	}
	if last.state == RunRunning || !slices.Contains(waysOut[last.kind], kind) {
		return nil, fmt.Errorf("cluster %s: %w: %s %s is %s: see 'landfall cluster get %s'", name, registry.ErrConflict, last.kind, last.id, last.state, name)
	}
	return last, nil
}

// Upgrade begins to bring a cluster to another definition.
func (c *Clusters) Upgrade(ctx context.Context, name, to string, rate int64) (*Cluster, error) {
	return c.move(ctx, name, to, rate, plan.Upgrade)
}

// Stage begins to bring all that a definition needs to the cluster's hosts, where it
// stays until an upgrade to it, or to another one; rate bounds each host, in bytes per
// second, 0 for none.
func (c *Clusters) Stage(ctx context.Context, name, to string, rate int64) (*Cluster, error) {
	return c.move(ctx, name, to, rate, plan.Stage)
}

func (c *Clusters) move(ctx context.Context, name, to string, rate int64, make func(plan.Input) (*cluster.Plan, error)) (*Cluster, error) {
	r, err := c.row(ctx, c.db.Read, name)
	if err != nil {
		return nil, err
	}
	in, err := c.input(ctx, r, to, r.running)
	if err != nil {
		return nil, err
	}
	in.Rate = rate
	p, err := make(*in)
	if err != nil {
		return nil, err
	}
	switch again, err := c.again(ctx, name, p.Kind); {
	case err != nil:
		return nil, err
	case again:
		return c.Get(ctx, name)
	}
	if _, err := blocked(ctx, c.db.Read, p.Kind, name); err != nil {
		return nil, err
	}
	if err := c.gate(ctx, to, in.Hosts); err != nil {
		return nil, err
	}
	return c.do(ctx, p)
}

// Rollback begins to bring a cluster back: to the definition that a stopped upgrade
// came from, else to the previous one. With snapshot, the control plane's state is
// that of the snapshot before the upgrade, where Kubernetes has no other way back.
func (c *Clusters) Rollback(ctx context.Context, name string, snapshot bool) (*Cluster, error) {
	r, err := c.row(ctx, c.db.Read, name)
	if err != nil {
		return nil, err
	}
	last, err := lastRun(ctx, c.db.Read, name)
	if err != nil {
		return nil, err
	}
	from, to := r.running, r.previous
	if last != nil && last.state.open() && last.kind == cluster.Upgrade {
		from, to = last.plan.To, last.plan.From
	}
	if to == "" {
		return nil, fmt.Errorf("cluster %s: %w: there is no definition before %s that it could return to", name, registry.ErrNotFound, r.running)
	}
	in, err := c.input(ctx, r, to, from)
	if err != nil {
		return nil, err
	}
	p, err := plan.Rollback(*in, snapshot)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, p)
}

// Delete begins to take a cluster apart: its hosts are cleaned, content stays. With
// force, hosts that are away are let go as they are.
func (c *Clusters) Delete(ctx context.Context, name string, force bool) (*Cluster, error) {
	r, err := c.row(ctx, c.db.Read, name)
	if err != nil {
		return nil, err
	}
	if force {
		if r.spec, err = c.known(ctx, r.spec); err != nil {
			return nil, err
		}
	}
	in, err := c.input(ctx, r, firstOf(r.running, r.staged, r.spec.Definition), "")
	if err != nil {
		return nil, err
	}
	left, err := c.leftovers(ctx, r)
	if err != nil {
		return nil, err
	}
	in.Hosts = append(in.Hosts, left...)
	p, err := plan.Delete(*in, force)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, p)
}

// Resume lets a run go on that was paused or has stopped: it tries the step that failed
// again.
func (c *Clusters) Resume(ctx context.Context, name string) (*Cluster, error) {
	last, err := c.open(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := c.setRun(ctx, last.id, `state = ?, job = '', pausing = 0, reason = ''`, RunRunning); err != nil {
		return nil, err
	}
	if err := c.start(ctx, name, last.id); err != nil {
		return nil, err
	}
	return c.Get(ctx, name)
}

// Pause lets a run wait when what it has begun is done.
func (c *Clusters) Pause(ctx context.Context, name string) (*Cluster, error) {
	last, err := c.open(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := c.setRun(ctx, last.id, `pausing = 1`); err != nil {
		return nil, err
	}
	return c.Get(ctx, name)
}

// open is the open run of a cluster; ErrConflict when nothing is being done to it.
func (c *Clusters) open(ctx context.Context, name string) (*runRow, error) {
	if _, err := c.row(ctx, c.db.Read, name); err != nil {
		return nil, err
	}
	if err := c.settleLost(ctx, name); err != nil {
		return nil, err
	}
	last, err := lastRun(ctx, c.db.Read, name)
	if err == nil && (last == nil || !last.state.open()) {
		err = fmt.Errorf("cluster %s: %w: nothing is being done to it", name, registry.ErrConflict)
	}
	return last, err
}

// Preview is what an upgrade would do, change and need.
func (c *Clusters) Preview(ctx context.Context, name, to string) (*Preview, error) {
	r, err := c.row(ctx, c.db.Read, name)
	if err != nil {
		return nil, err
	}
	in, err := c.input(ctx, r, to, r.running)
	if err != nil {
		return nil, err
	}
	compared, err := plan.Compare(*in)
	if err != nil {
		return nil, err
	}
	p := &Preview{Preview: compared}
	if p.Plan, err = plan.Upgrade(*in); err != nil {
		p.Problem = err.Error()
	}
	report, err := c.opts.Definitions.Check(ctx, to, definitions.CheckOptions{Platforms: platformsOf(in.Hosts)})
	if err != nil {
		return nil, err
	}
	p.Gate, p.Lacking = string(report.State), report.Lacking
	return p, c.blockers(ctx, r, p)
}

// blockers asks the cluster what would keep its nodes from being drained. That it cannot
// be asked is no failure of a preview.
func (c *Clusters) blockers(ctx context.Context, r *row, p *Preview) error {
	client, err := c.kube(ctx, r.name)
	if err == nil {
		p.Blockers, err = client.Blockers(ctx, r.spec.Hosts())
	}
	if err != nil && ctx.Err() == nil {
		p.Problem = strings.TrimPrefix(p.Problem+"; the cluster could not be asked what would block a drain: "+err.Error(), "; ")
		return nil
	}
	return err
}

// input gathers what planners need.
func (c *Clusters) input(ctx context.Context, r *row, to, from string) (*plan.Input, error) {
	in := &plan.Input{Spec: r.spec}
	st, err := c.opts.Definitions.Get(ctx, to)
	if err != nil {
		return nil, err
	}
	in.To, in.ToRef = st.Definition, st.Ref
	if from != "" {
		if st, err = c.opts.Definitions.Get(ctx, from); err != nil {
			return nil, err
		}
		in.From, in.FromRef = st.Definition, st.Ref
	}
	if in.Hosts, err = c.hosts(ctx, r.spec); err != nil {
		return nil, err
	}
	in.Source, err = c.source(ctx, r.spec)
	return in, err
}

// hosts are those of a cluster, in its order.
func (c *Clusters) hosts(ctx context.Context, spec *cluster.Spec) ([]host.Host, error) {
	all, err := c.opts.Hosts.List(ctx)
	if err != nil {
		return nil, err
	}
	var list []host.Host
	var missing []string
	for _, name := range spec.Hosts() {
		i := slices.IndexFunc(all, func(h host.Host) bool { return h.Name == name })
		if i < 0 {
			missing = append(missing, name)
			continue
		}
		list = append(list, all[i])
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%w: no such host: %s: 'landfall host ls' lists those that are linked, 'landfall host token' links more", registry.ErrNotFound, strings.Join(missing, ", "))
	}
	return list, nil
}

func platformsOf(hosts []host.Host) (list []string) {
	for _, h := range hosts {
		list = append(list, h.Inventory.Platform)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func joinPort(at string, port int) string { return net.JoinHostPort(at, portText(port)) }
