package hosts

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
)

const hostColumns = `id, name, key, cluster, version, address, inventory, linked_at, seen_at, expires_at, gone_at, told_at`

// load reads all hosts.
func (h *Hosts) load(ctx context.Context) error {
	rows, err := h.db.Read.QueryContext(ctx, `SELECT `+hostColumns+` FROM hosts`)
	if err != nil {
		return registry.DiskError(err)
	}
	defer rows.Close()
	for rows.Next() {
		e, err := scanEntry(rows)
		if err != nil {
			return registry.DiskError(err)
		}
		if h.byID[e.ID] = e; e.goneAt.IsZero() {
			h.byName[e.Name] = e
		}
	}
	h.platforms = h.platformNames()
	return registry.DiskError(rows.Err())
}

func scanEntry(rows *sql.Rows) (*entry, error) {
	e, inventory := newEntry(host.Host{}, nil), ""
	var linked, seen, expires, gone, told int64
	err := rows.Scan(&e.ID, &e.Name, &e.key, &e.Cluster, &e.Version, &e.Address, &inventory, &linked, &seen, &expires, &gone, &told)
	if err != nil {
		return nil, err
	}
	e.Linked, e.Seen, e.Expires, e.goneAt, e.toldAt = timeOf(linked), timeOf(seen), timeOf(expires), timeOf(gone), timeOf(told)
	if inventory == "" {
		return e, nil
	}
	return e, json.Unmarshal([]byte(inventory), &e.Inventory)
}

// insert adds a host.
func (e *entry) insert(ctx context.Context, tx *sql.Tx) error {
	inventory, err := json.Marshal(e.Inventory)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO hosts (`+hostColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)`,
		e.ID, e.Name, e.key, e.Cluster, e.Version, e.Address, string(inventory), millis(e.Linked), millis(e.Seen), millis(e.Expires))
	return err
}

// update changes fields of a host, durably.
func (h *Hosts) update(ctx context.Context, id, assignments string, values ...any) error {
	return h.write(ctx, func(tx *sql.Tx) error { return setHost(ctx, tx, id, assignments, values...) })
}

func setHost(ctx context.Context, tx *sql.Tx, id, assignments string, values ...any) error {
	_, err := tx.ExecContext(ctx, `UPDATE hosts SET `+assignments+` WHERE id = ?`, append(values, id)...)
	return err
}

func (h *Hosts) write(ctx context.Context, change func(tx *sql.Tx) error) error {
	return registry.DiskError(h.db.Write(ctx, change))
}

// note adds an entry to the audit log, within the transaction of what it tells of.
func (h *Hosts) note(ctx context.Context, tx *sql.Tx, e audit.Entry) error {
	if h.opts.Audit == nil {
		return nil
	}
	return h.opts.Audit.Append(ctx, tx, e)
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
