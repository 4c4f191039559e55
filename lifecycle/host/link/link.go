package link

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Settings of a client. The zero value is the default.
type Settings struct {
	// Find tells where the appliance of an authority may be, as https://HOST:PORT, when
	// it answers nowhere else; hash is what tokens say of the authority. What it tells is
	// not trusted. Nil asks the networks that this machine is on.
	Find func(ctx context.Context, hash string) ([]string, error)
	// Address is the one of this machine from which the appliance is called; empty: the one
	// that the way there has.
	Address string
	// Now is the clock. Nil for the machine's.
	Now func() time.Time
	// Log is told of addresses that have changed and of clocks that differ. Nil for
	// silence.
	Log *slog.Logger
}

// complete puts the defaults in.
func (s Settings) complete() Settings {
	if s.Find == nil {
		s.Find = onNetworks
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Options of a link.
type Options struct {
	Settings
	// Server is the appliance's address for hosts, https://HOST:PORT. Empty: where Find
	// says.
	Server    string
	Token     Token
	Name      string // that the host wants to have, a DNS label
	Version   string // of the agent
	Inventory host.Inventory
}

// Link links this host: the folder has the proof then. Interrupted, it can be done again
// with the same token. ErrConflict when the host is linked already, or is being linked;
// ErrDenied for a token that is not valid, or not any more; ErrUntrusted when who answers
// has another authority than the token says, or when clocks differ by too much;
// ErrUnreachable when nobody answers.
func Link(ctx context.Context, dir string, opts Options) (*Client, error) {
	opts.Settings = opts.complete()
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := mustBeFree(dir); err != nil {
		return nil, err
	}
	key, err := ownKey(dir)
	if err != nil {
		return nil, err
	}
	servers, err := opts.servers(ctx)
	if err != nil {
		return nil, err
	}
	c := newClient(dir, key, opts.Settings)
	if err := c.meet(ctx, servers, opts.Token); err != nil {
		return nil, err
	}
	if err := c.link(ctx, opts); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// mustBeFree is an ErrConflict when a folder is of a link already.
func mustBeFree(dir string) error {
	c, err := Open(dir)
	if errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	i := c.Info()
	return fmt.Errorf("%w: this host is linked already, to site %s at %s as %s: 'landfall host unlink %s' there takes that back; if there is no such appliance any more, remove %s",
		registry.ErrConflict, i.Site, i.Server, i.Name, i.Name, filepath.Join(dir, linkFile))
}

// servers are where the appliance may be.
func (o Options) servers(ctx context.Context) ([]string, error) {
	if o.Server != "" {
		server, err := checkServer(o.Server)
		return []string{server}, err
	}
	list, err := o.Find(ctx, o.Token.hash)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%w: no appliance that has made this token was found on this machine's networks", registry.ErrUnreachable)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: say where it is: --server https://HOST:PORT", err)
	}
	return list, nil
}

// checkServer reads an address as people give it.
func checkServer(text string) (string, error) {
	full := text
	if !strings.Contains(full, "://") {
		full = "https://" + full
	}
	u, err := url.Parse(strings.TrimSuffix(full, "/"))
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("server %q: %w: want https://HOST:PORT, the address of an appliance for hosts", text, registry.ErrInvalid)
	}
	return u.String(), nil
}

// meet finds the one among servers whose authority the token fits.
func (c *Client) meet(ctx context.Context, servers []string, t Token) error {
	var failed []error
	for i, server := range servers {
		authority, err := introduce(ctx, server, t)
		if err == nil {
			c.record.Authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw})
			c.record.Servers = append([]string{server}, servers[i+1:]...)
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// link shows the token, and keeps the answer.
func (c *Client) link(ctx context.Context, opts Options) error {
	request, err := newRequest(c.key)
	if err != nil {
		return err
	}
	var linked host.Linked
	err = c.call(ctx, answerLimit, exchange{http.MethodPost, host.PathLink,
		host.LinkRequest{Token: opts.Token.Secret(), Name: opts.Name, Request: request, Version: opts.Version, Inventory: opts.Inventory}, &linked})
	if err != nil {
		return err
	}
	return c.keep(linked)
}

// newRequest asks for a certificate. Who it is for, the appliance decides.
func newRequest(key *ecdsa.PrivateKey) ([]byte, error) {
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "Landfall host"}}, key)
}
