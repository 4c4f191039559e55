package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// task is an operation while it is done.
type task struct {
	*Agent
	id      string
	attempt int // how often it was begun; above 1 after an interruption
	tell    func(host.Progress)
}

func (t *task) say(format string, args ...any) {
	t.tell(host.Progress{Text: fmt.Sprintf(format, args...)})
}

// perform does what an operation says.
func (a *Agent) perform(ctx context.Context, r *running, attempt int) (json.RawMessage, error) {
	t := &task{Agent: a, id: r.op.ID, attempt: attempt, tell: r.tell}
	turns := int64(1)
	if r.op.Clean != nil {
		turns = allTurns
	}
	if err := a.turns.Acquire(ctx, turns); err != nil {
		return nil, err
	}
	defer a.turns.Release(turns)
	if mayListen(r.op) {
		a.holding.release()
	}
	output, err := t.do(ctx, r.op)
	if err != nil || output == nil {
		return nil, err
	}
	return json.Marshal(output)
}

// mayListen reports whether an operation may start what wants the ports that the agent
// listens at for its peers.
func mayListen(op *host.Op) bool {
	return op.Check != nil || op.Unit != nil || op.Kubeadm != nil || op.K3s != nil || op.Restore != nil || op.Clean != nil
}

func (t *task) do(ctx context.Context, op *host.Op) (any, error) {
	switch {
	case op.Check != nil:
		return t.check(ctx, op.Check)
	case op.Files != nil:
		return nil, t.doFiles(ctx, op.Files)
	case op.Provider != nil:
		return t.install(ctx, op.Provider)
	case op.Unit != nil:
		return nil, t.unit(ctx, op.Unit)
	case op.Kubeadm != nil:
		return t.step(ctx, op.Kubeadm)
	case op.K3s != nil:
		return nil, t.k3sStep(ctx, op.K3s)
	case op.Pull != nil:
		return t.pull(ctx, op.Pull)
	case op.Unpin != nil:
		return nil, t.unpin(ctx, op.Unpin.Owner)
	case op.Snapshot != nil:
		return t.snapshot(ctx, op.Snapshot)
	case op.Restore != nil:
		return nil, t.restore(ctx, op.Restore)
	case op.Clean != nil:
		return t.clean(ctx, op.Clean)
	case op.Carry != nil:
		return nil, t.carry(ctx, op.Carry)
	case op.Compare != nil:
		return t.compare(ctx, op.Compare)
	case op.Member != nil:
		return nil, t.removeMember(ctx, op.Member)
	}
	return nil, fmt.Errorf("operation %s: %w: this agent does not know what to do; it is older than the appliance", op.ID, registry.ErrInvalid)
}

// pull notes the owner first, so that Clean lets go of what an interrupted one pinned.
func (t *task) pull(ctx context.Context, p *host.Pull) (any, error) {
	if err := t.own(func(o *owned) { o.Pins = with(o.Pins, p.Owner) }); err != nil {
		return nil, err
	}
	pulled, err := t.opts.Runtime.Pull(ctx, *p, func(done, total int64) {
		t.tell(host.Progress{Text: "pulling images", Bytes: done, TotalBytes: total})
	})
	if err != nil {
		return nil, err
	}
	return pulled, nil
}

func (t *task) unpin(ctx context.Context, owner string) error {
	if err := t.opts.Runtime.Unpin(ctx, owner); err != nil {
		return errors.Join(fmt.Errorf("pins of %s", owner), err)
	}
	return t.own(func(o *owned) { o.Pins = without(o.Pins, owner) })
}
