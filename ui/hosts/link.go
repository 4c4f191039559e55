package hosts

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/certs"
)

var nameForm = regexp.MustCompile(`\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\z`)

// maxInventory bounds an inventory, in bytes of JSON.
const maxInventory = 256 << 10

// link makes a host of who shows a token, at an address. One that asks again with the
// same token and key, because the first answer did not arrive, is answered again.
func (h *Hosts) link(ctx context.Context, r host.LinkRequest, address, reached string) (*host.Linked, error) {
	request, err := certs.ParseRequest(r.Request)
	if err != nil {
		return nil, err
	}
	key := keySum(request)
	h.changing.Lock()
	defer h.changing.Unlock()
	token, usedBy, err := h.admit(ctx, r.Token)
	if err != nil {
		return nil, err
	}
	if usedBy != "" {
		return h.again(ctx, usedBy, key, request, reached)
	}
	name := strings.ToLower(r.Name)
	if err := h.mayBe(name, key); err != nil {
		return nil, err
	}
	e := newEntry(host.Host{ID: strings.ToLower(rand.Text()[:16]), Name: name, Linked: h.now(), Seen: h.now(), Version: r.Version, Address: address, Inventory: r.Inventory}, key)
	e.Inventory.Time.Offset = h.offset(r.Inventory)
	cert, err := h.opts.Certs.SignClient(request, e.ID)
	if err != nil {
		return nil, err
	}
	e.Expires = cert.NotAfter
	ctx = audit.WithActor(ctx, audit.Actor{Name: name, Kind: "host", Address: address})
	err = h.write(ctx, func(tx *sql.Tx) error {
		if err := e.insert(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE host_tokens SET host = ? WHERE id = ?`, e.ID, token); err != nil {
			return err
		}
		return h.note(ctx, tx, audit.Entry{Action: EventLinked, Target: name, After: map[string]any{"id": e.ID, "token": token, "machineID": r.Inventory.MachineID}})
	})
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	h.byID[e.ID], h.byName[name] = e, e
	told := e.brief()
	h.mu.Unlock()
	h.opts.Events.Publish(EventLinked, told)
	h.tellPlatforms()
	h.opts.Log.Info("a host was linked", "host", name, "id", e.ID, "address", address)
	return h.linked(e.ID, name, cert, reached), nil
}

func keySum(request *x509.CertificateRequest) []byte {
	sum := sha256.Sum256(request.RawSubjectPublicKeyInfo)
	return sum[:]
}

// mayBe is an error when no host may have this name or key; changing is held.
func (h *Hosts) mayBe(name string, key []byte) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("name %q: %w: want at most 63 lower-case letters, digits and -: 'landfall host link --name NAME' says another one", name, registry.ErrInvalid)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if other := h.byName[name]; other != nil {
		return fmt.Errorf("name %s: %w: a host with machine id %s has it: 'landfall host unlink %s' there, or 'landfall host link --name NAME' here", name, registry.ErrConflict, other.Inventory.MachineID, name)
	}
	for _, e := range h.byName {
		if bytes.Equal(e.key, key) {
			return fmt.Errorf("%w: host %s has the same key: this machine is a copy of it: remove its agent's folder, and link it again", registry.ErrConflict, e.Name)
		}
	}
	return nil
}

// again answers a host that has used a token up.
func (h *Hosts) again(ctx context.Context, id string, key []byte, request *x509.CertificateRequest, reached string) (*host.Linked, error) {
	h.mu.Lock()
	e := h.byID[id]
	same := e != nil && e.goneAt.IsZero() && bytes.Equal(e.key, key)
	name := ""
	if e != nil {
		name = e.Name
	}
	h.mu.Unlock()
	if !same {
		return nil, errToken
	}
	return h.certify(ctx, id, name, request, reached)
}

// certify gives a host a certificate.
func (h *Hosts) certify(ctx context.Context, id, name string, request *x509.CertificateRequest, reached string) (*host.Linked, error) {
	cert, err := h.opts.Certs.SignClient(request, id)
	if err != nil {
		return nil, err
	}
	if err := h.update(ctx, id, `expires_at = ?, key = ?`, cert.NotAfter.UnixMilli(), keySum(request)); err != nil {
		return nil, err
	}
	h.mu.Lock()
	if e := h.byID[id]; e != nil {
		e.Expires, e.key = cert.NotAfter, keySum(request)
	}
	h.mu.Unlock()
	return h.linked(id, name, cert, reached), nil
}

func (h *Hosts) linked(id, name string, cert *x509.Certificate, reached string) *host.Linked {
	l := &host.Linked{ID: id, Name: name, Expires: cert.NotAfter, Site: h.site}
	l.Certificate, l.Authority = h.opts.Certs.Chain(cert)
	if h.opts.Registry != nil {
		l.Registry = h.opts.Registry(reached)
	}
	return l
}

// Unlink takes a host out: its agent is told to clean the machine. ErrConflict while it
// belongs to a cluster, unless it is forced.
func (h *Hosts) Unlink(ctx context.Context, name string, force bool) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	e, err := h.lookup(name)
	if err != nil {
		return err
	}
	if e.Cluster != "" && !force {
		return fmt.Errorf("host %s: %w: it belongs to cluster %s: take it out of that first", e.Name, registry.ErrConflict, e.Cluster)
	}
	at := h.now()
	err = h.write(ctx, func(tx *sql.Tx) error {
		if err := setHost(ctx, tx, e.ID, `gone_at = ?, cluster = ''`, at.UnixMilli()); err != nil {
			return err
		}
		return h.note(ctx, tx, audit.Entry{Action: EventUnlinked, Target: e.Name, Before: map[string]any{"id": e.ID, "cluster": e.Cluster}})
	})
	if err != nil {
		return err
	}
	h.mu.Lock()
	delete(h.byName, e.Name)
	h.mu.Unlock()
	h.alter(e.ID, EventUnlinked, func(e *entry) {
		e.goneAt, e.Cluster = at, ""
		for _, t := range e.tasks {
			t.end(host.Result{}, fmt.Errorf("host %s: %w: it was unlinked", e.Name, registry.ErrNotFound))
		}
		e.tasks = nil
		e.rouse()
	})
	h.tellPlatforms()
	return nil
}

// Rename gives a host another name. ErrConflict while it belongs to a cluster, where its
// node has the name.
func (h *Hosts) Rename(ctx context.Context, name, to string) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	e, err := h.lookup(name)
	if err != nil {
		return err
	}
	if e.Cluster != "" {
		return fmt.Errorf("host %s: %w: it belongs to cluster %s, where its node is called so", e.Name, registry.ErrConflict, e.Cluster)
	}
	if err := h.mayBe(to, nil); err != nil {
		return err
	}
	err = h.write(ctx, func(tx *sql.Tx) error {
		return errors.Join(setHost(ctx, tx, e.ID, `name = ?`, to), h.note(ctx, tx, audit.Entry{Action: "host.rename", Target: e.Name, After: map[string]any{"name": to}}))
	})
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.byName[to] = h.byID[e.ID]
	delete(h.byName, e.Name)
	h.mu.Unlock()
	h.alter(e.ID, EventChanged, func(e *entry) { e.Name = to })
	return nil
}
