package hosts

import (
	"context"
	"database/sql"
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"time"

	"log/slog"

	"crypto/tls"
)

const (
	saveEvery     = 30 * time.Second
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
)

// Serve answers agents on a listener until ctx ends.
func (h *Hosts) Serve(ctx context.Context, l net.Listener) error {
	h.mu.Lock()
	h.at = l.Addr().String()
	h.mu.Unlock()
	server := &http.Server{Handler: h.Handler(), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, ErrorLog: slog.NewLogLogger(h.opts.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx }}
	var ending sync.WaitGroup
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer ending.Wait()
	defer stop()
	err := server.Serve(tls.NewListener(l, h.opts.Certs.HostsTLSConfig()))
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Keep notes now and then what was heard of hosts, and tells of those that went silent,
// until ctx ends.
func (h *Hosts) Keep(ctx context.Context) {
	for {
		select {
		case <-time.After(saveEvery):
		case <-ctx.Done():
			h.save(context.WithoutCancel(ctx))
			return
		}
		h.save(ctx)
		h.tellSilent()
	}
}

// saved is what of a host is to be written.
type saved struct {
	id, address string
	seen        time.Time
	inventory   []byte // nil: as it was
}

// save writes what was heard of hosts, all in one go.
func (h *Hosts) save(ctx context.Context) {
	h.mu.Lock()
	var list []saved
	for id, e := range h.byID {
		if !e.unsaved && !e.changed {
			continue
		}
		s := saved{id: id, address: e.Address, seen: e.Seen}
		if e.changed {
			s.inventory, _ = json.Marshal(e.Inventory) // it came as JSON
		}
		e.unsaved, e.changed = false, false
		list = append(list, s)
	}
	h.mu.Unlock()
	if len(list) == 0 {
		return
	}
	err := h.db.WriteSoon(ctx, func(tx *sql.Tx) error {
		for _, s := range list {
			if err := setHost(ctx, tx, s.id, `address = ?, seen_at = ?`, s.address, millis(s.seen)); err != nil {
				return err
			}
			if s.inventory == nil {
				continue
			}
			if err := setHost(ctx, tx, s.id, `inventory = ?`, string(s.inventory)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.opts.Log.Error("what was heard of hosts could not be noted", "error", err)
	}
}

// tellSilent tells of hosts that are not heard of any more.
func (h *Hosts) tellSilent() {
	h.mu.Lock()
	var ids []string
	for id, e := range h.byID {
		if e.online && !e.isOnline() {
			e.online = false
			ids = append(ids, id)
		}
	}
	h.mu.Unlock()
	for _, id := range ids {
		h.alter(id, EventOffline, func(*entry) {})
	}
}
