package jobs

import (
	"context"
	"database/sql"
	"fmt"
)

// left is a job that ran when its process ended without a farewell.
type left struct {
	id        string
	crashes   int
	cancelled bool
}

// resume takes over what other processes ran. There is one process at a time on a
// store, so they have ended, however long their leases are.
func (p *Pool) resume(ctx context.Context) error {
	return p.change(ctx, func(tx *sql.Tx) (list []Job, err error) {
		found, err := p.left(ctx, tx)
		if err != nil {
			return nil, err
		}
		for _, l := range found {
			j, err := p.takeOver(ctx, tx, l)
			if err != nil {
				return nil, err
			}
			list = append(list, j)
		}
		for kind := range p.kinds {
			if err := p.prune(ctx, tx, kind); err != nil {
				return nil, err
			}
		}
		return list, nil
	})
}

func (p *Pool) left(ctx context.Context, tx *sql.Tx) (list []left, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, crashes, cancel_requested FROM jobs WHERE state = 'running' AND lease_owner <> ? ORDER BY id`, p.epoch)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l left
		if err := rows.Scan(&l.id, &l.crashes, &l.cancelled); err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	return list, rows.Err()
}

// takeOver lets a job go on, unless nobody wants it any more or it may be what
// ends the appliance.
func (p *Pool) takeOver(ctx context.Context, tx *sql.Tx, l left) (Job, error) {
	l.crashes++
	switch {
	case l.cancelled:
		return p.settle(ctx, tx, l.id, isCancelled())
	case l.crashes >= p.opts.Crashes:
		return p.settle(ctx, tx, l.id, p.hasFailed(fmt.Errorf(
			"the appliance ended %d times while the job ran, and it got no further in between: it is not begun again by itself", l.crashes)))
	}
	return queueAgain(ctx, tx, l.id, l.crashes, "resumed after the appliance ended")
}
