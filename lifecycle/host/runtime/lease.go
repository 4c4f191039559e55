package runtime

import (
	"context"
	"errors"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/errdefs"
)

// leaseFor is how long what an interrupted pull has brought waits for the next one. A
// pull that is held back to a low rate may take days, too.
const leaseFor = 14 * 24 * time.Hour

// labelLease of a lease names the owner for whom was pulled.
const labelLease = "landfall.dev/pull"

// lease keeps what is brought in with the context that it returns. end gives it back
// when all went well, with those that interrupted pulls for the same owner have left;
// else it stays, so that the next pull goes on from there.
func (r *Runtime) lease(ctx context.Context, client *containerd.Client, owner string) (_ context.Context, end func(error) error, err error) {
	service := client.LeasesService()
	l, err := service.Create(ctx, leases.WithRandomID(), leases.WithExpiration(leaseFor), leases.WithLabel(labelLease, owner))
	if err != nil {
		return nil, nil, r.fail(ctx, err)
	}
	r.setActive(l.ID, true)
	end = func(err error) error {
		r.setActive(l.ID, false)
		if err != nil {
			return err
		}
		return r.fail(ctx, r.release(ctx, service, owner))
	}
	return leases.WithLease(ctx, l.ID), end, nil
}

func (r *Runtime) setActive(id string, active bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if active {
		r.active[id] = true
	} else {
		delete(r.active, id)
	}
}

func (r *Runtime) isActive(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.active[id]
}

// release gives the leases of an owner back, but for those of pulls under way.
func (r *Runtime) release(ctx context.Context, service leases.Manager, owner string) error {
	list, err := service.List(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range list {
		if label, ours := l.Labels[labelLease]; !ours || label != owner || r.isActive(l.ID) {
			continue
		}
		if err := service.Delete(ctx, l); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
