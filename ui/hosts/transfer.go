package hosts

import (
	"fmt"
	"net/http"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Expect lets a host send or get bytes under a name until release. Only that host can.
func (h *Hosts) Expect(as string, t host.Transfer) (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.transfers[as] = t
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.transfers, as)
	}
}

// transfer is one that a host may use.
func (h *Hosts) transfer(r *http.Request, e host.Host) (host.Transfer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t, ok := h.transfers[r.PathValue("id")]
	if !ok || t.Host != e.Name || r.Method == http.MethodPut && t.Take == nil || r.Method == http.MethodGet && t.Give == nil {
		return t, fmt.Errorf("file %s: %w: nobody waits for it any more", r.PathValue("id"), registry.ErrNotFound)
	}
	return t, nil
}

func (h *Hosts) transferRoutes(mux *http.ServeMux) {
	h.forHosts(mux, "PUT "+host.PathFiles+"{id}", func(r *http.Request, e host.Host) (any, error) {
		t, err := h.transfer(r, e)
		if err != nil {
			return nil, err
		}
		return nil, t.Take(r.Body)
	})
	mux.HandleFunc("GET "+host.PathFiles+"{id}", func(w http.ResponseWriter, r *http.Request) {
		e, gone, err := h.caller(r)
		if err == nil && gone {
			err = fmt.Errorf("%w: this host was unlinked", registry.ErrDenied)
		}
		var t host.Transfer
		if err == nil {
			t, err = h.transfer(r, e)
		}
		if err != nil {
			h.opts.Refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		if err := t.Give(w); err != nil {
			h.opts.Log.Warn("a host did not get all of a file", "host", e.Name, "error", err)
			panic(http.ErrAbortHandler)
		}
	})
}
