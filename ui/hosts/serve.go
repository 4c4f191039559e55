package hosts

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/certs"
)

// Bounds of requests, in bytes.
const (
	maxLink   = 1 << 20
	maxResult = 16 << 20
)

// Handler answers agents, on connections of certs.HostsTLSConfig.
func (h *Hosts) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+host.PathAuthority, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(h.opts.Certs.CAPEM()) // who left does not hear it
	})
	mux.HandleFunc("POST "+host.PathLink, func(w http.ResponseWriter, r *http.Request) {
		answer(h, w, r, func() (*host.Linked, error) {
			var in host.LinkRequest
			if err := read(r, maxLink, &in); err != nil {
				return nil, err
			}
			if err := boundInventory(&in.Inventory); err != nil {
				return nil, err
			}
			return h.link(r.Context(), in, addressOf(r), reachedOf(r))
		})
	})
	h.forHosts(mux, "POST "+host.PathRenew, func(r *http.Request, e host.Host) (any, error) {
		var in host.RenewRequest
		if err := read(r, maxLink, &in); err != nil {
			return nil, err
		}
		request, err := certs.ParseRequest(in.Request)
		if err != nil {
			return nil, err
		}
		return h.certify(r.Context(), e.ID, e.Name, request, reachedOf(r))
	})
	h.forHosts(mux, "PUT "+host.PathInventory, func(r *http.Request, e host.Host) (any, error) {
		var in host.Inventory
		if err := read(r, maxInventory, &in); err != nil {
			return nil, err
		}
		h.take(e.ID, in)
		return nil, nil
	})
	h.forHosts(mux, "PUT "+host.PathResults, func(r *http.Request, e host.Host) (any, error) {
		var in host.Result
		if err := read(r, maxResult, &in); err != nil {
			return nil, err
		}
		return nil, h.report(e.ID, in)
	})
	h.forHosts(mux, "POST "+host.PathUnlink, func(r *http.Request, e host.Host) (any, error) {
		return nil, h.Unlink(r.Context(), e.ID, false)
	})
	mux.HandleFunc("GET "+host.PathWork, h.work)
	h.transferRoutes(mux)
	return mux
}

// forHosts answers linked hosts.
func (h *Hosts) forHosts(mux *http.ServeMux, pattern string, do func(r *http.Request, e host.Host) (any, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		answer(h, w, r, func() (any, error) {
			e, gone, err := h.caller(r)
			if err == nil && gone {
				err = fmt.Errorf("%w: this host was unlinked", registry.ErrDenied)
			}
			if err != nil {
				return nil, err
			}
			return do(r, e)
		})
	})
}

func answer[T any](h *Hosts, w http.ResponseWriter, _ *http.Request, do func() (T, error)) {
	said, err := do()
	if err != nil {
		h.opts.Refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(said) // who left does not hear it
}

func read(r *http.Request, limit int64, to any) error {
	content, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return fmt.Errorf("%w: the request broke off", registry.ErrUnreachable)
	}
	if int64(len(content)) > limit {
		return fmt.Errorf("%w: the request is longer than %d bytes", registry.ErrInvalid, limit)
	}
	if err := json.Unmarshal(content, to); err != nil {
		return fmt.Errorf("%w: the request is no JSON that is known here: %w", registry.ErrInvalid, err)
	}
	return nil
}

func boundInventory(i *host.Inventory) error {
	content, err := json.Marshal(i)
	if err == nil && len(content) > maxInventory {
		err = fmt.Errorf("%w: the inventory is longer than %d bytes", registry.ErrInvalid, maxInventory)
	}
	return err
}

// addressOf is where a request came from, reachedOf where it came to, without ports.
func addressOf(r *http.Request) string {
	name, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return name
}

func reachedOf(r *http.Request) string {
	name, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		return r.Host
	}
	return name
}

// caller is the host that asks, and whether it was unlinked. It is heard of with that.
func (h *Hosts) caller(r *http.Request) (shown host.Host, gone bool, err error) {
	id, err := h.opts.Certs.ClientID(r.TLS)
	if err != nil {
		return shown, false, err
	}
	address := addressOf(r)
	h.mu.Lock()
	e := h.byID[id]
	if e == nil || !e.toldAt.IsZero() && r.URL.Path != host.PathWork {
		h.mu.Unlock()
		return shown, false, fmt.Errorf("%w: this appliance has no host with this certificate", registry.ErrDenied)
	}
	e.heard, e.Seen, e.unsaved = time.Now(), h.now(), true
	moved := e.Address != address
	e.Address = address
	news := e.goneAt.IsZero() && !e.online
	if news {
		e.online = true
	}
	shown, gone = e.show(), !e.goneAt.IsZero()
	told := e.brief()
	h.mu.Unlock()
	if news {
		h.opts.Events.Publish(EventOnline, told)
	} else if moved {
		h.opts.Events.Publish(EventChanged, told)
	}
	return shown, gone, nil
}

// work answers when there is something to do, or after host.PollFor.
func (h *Hosts) work(w http.ResponseWriter, r *http.Request) {
	shown, _, err := h.caller(r)
	if err != nil {
		h.opts.Refuse(w, err)
		return
	}
	answer(h, w, r, func() (host.Work, error) { return h.await(r.Context(), shown.ID) })
}

func (h *Hosts) await(ctx context.Context, id string) (host.Work, error) {
	timer := time.NewTimer(host.PollFor)
	defer timer.Stop()
	for {
		h.mu.Lock()
		e := h.byID[id]
		work := host.Work{Ops: []host.Op{}, Now: h.now(), Gone: !e.goneAt.IsZero()}
		for _, t := range e.tasks {
			work.Ops = append(work.Ops, t.op)
		}
		wake := e.wake
		if work.Gone || len(work.Ops) > 0 && !e.asked(work.Ops) {
			h.mu.Unlock()
			return work, h.toldGone(ctx, id, work.Gone)
		}
		e.polls++
		h.mu.Unlock()
		over := false
		select {
		case <-wake:
		case <-timer.C:
			over = true
		case <-ctx.Done():
			over = true
		}
		h.mu.Lock()
		e.polls--
		e.heard = time.Now()
		h.mu.Unlock()
		if over {
			h.mu.Lock()
			e.given = nil // the agent may have lost them
			h.mu.Unlock()
			return work, nil
		}
	}
}

// asked reports whether an agent was given these operations in its last answer; mu is
// held. It is at them then, and waits for others.
func (e *entry) asked(ops []host.Op) bool {
	ids := make([]string, 0, len(ops))
	for _, o := range ops {
		ids = append(ids, o.ID)
	}
	same := slices.Equal(ids, e.given)
	e.given = ids
	return same
}

// toldGone notes that the agent of an unlinked host was told so.
func (h *Hosts) toldGone(ctx context.Context, id string, gone bool) error {
	if !gone {
		return nil
	}
	at := h.now()
	if err := h.update(context.WithoutCancel(ctx), id, `told_at = ?`, at.UnixMilli()); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.byID[id].toldAt = at
	return nil
}

// take keeps an inventory.
func (h *Hosts) take(id string, i host.Inventory) {
	i.Time.Offset = h.offset(i)
	h.alter(id, EventChanged, func(e *entry) { e.Inventory, e.changed = i, true })
	h.tellPlatforms()
}

// offset is by how many milliseconds a host's clock is ahead.
func (h *Hosts) offset(i host.Inventory) int64 { return i.At.Sub(h.opts.Now()).Milliseconds() }
