package link

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

const (
	dialLimit   = 5 * time.Second
	answerLimit = 30 * time.Second
	// pollMargin is for how long an answer to a question for work may be late.
	pollMargin = 15 * time.Second
	maxAnswer  = 64 << 20 // bytes
	maxPEM     = 64 << 10
)

// dialer gives a connection up within half a minute when nobody is at its other end any
// more: an agent that waits for work would not notice otherwise.
func dialer(from string) *net.Dialer {
	d := &net.Dialer{Timeout: dialLimit, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}}
	if ip := net.ParseIP(from); ip != nil {
		d.LocalAddr = &net.TCPAddr{IP: ip}
	}
	return d
}

// stay follows nobody elsewhere.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// transport is HTTP/1.1 over TLS, without a proxy: the appliance is at the site.
func (c *Client) transport() *http.Transport {
	return &http.Transport{
		DialContext:         dialer(c.opts.Address).DialContext,
		TLSHandshakeTimeout: dialLimit,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     time.Minute,
		TLSClientConfig: &tls.Config{ //nolint:gosec // VerifyConnection verifies
			MinVersion:         tls.VersionTLS12,
			InsecureSkipVerify: true,
			VerifyConnection:   c.verify,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return c.certificate(), nil
			},
		},
	}
}

// certificate is the host's; one without content before it is linked.
func (c *Client) certificate() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	block, _ := pem.Decode(c.record.Certificate)
	if block == nil {
		return &tls.Certificate{}
	}
	return &tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: c.key}
}

// verify proves that who answers is the appliance: its certificate is one for servers, and
// of the authority. Which names it is for does not count. The appliance is known by its
// authority, which is this site's alone and certifies no other servers; hosts'
// certificates are not for servers; and the appliance may come to addresses that it had
// no time yet to put into its certificate.
//
// When this machine's clock is certainly wrong, since this program was built later or the
// authority has ended by then, it says nothing, and the certificate is held against its
// own beginning.
func (c *Client) verify(s tls.ConnectionState) error {
	c.mu.Lock()
	authority, err := parseCertificate(c.record.Authority)
	c.mu.Unlock()
	if err != nil || len(s.PeerCertificates) == 0 {
		return errors.Join(fmt.Errorf("%w: no certificate", registry.ErrUntrusted), err)
	}
	leaf, now := s.PeerCertificates[0], c.opts.Now()
	if now.Before(built()) || now.After(authority.NotAfter) {
		now = leaf.NotBefore
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	at := func(t time.Time) error {
		_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: t, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
		return err
	}
	err = at(now)
	switch {
	case err == nil:
		return nil
	case at(leaf.NotBefore) == nil:
		return fmt.Errorf("%w: this host's clock says %s, and the appliance's certificate is valid from %s to %s: set the clocks right",
			registry.ErrUntrusted, now.UTC().Format(time.RFC3339), leaf.NotBefore.Format(time.RFC3339), leaf.NotAfter.Format(time.RFC3339))
	}
	return fmt.Errorf("%w: it is not the appliance that this host is linked to: %w", registry.ErrUntrusted, err)
}

// introduce asks who is there for its authority, and believes it when the token says so:
// before that nothing is sent.
func introduce(ctx context.Context, server string, t Token) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerLimit, fmt.Errorf("no answer within %s", answerLimit))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server+host.PathAuthority, nil)
	if err != nil {
		return nil, fmt.Errorf("server %s: %w: %w", server, registry.ErrInvalid, err)
	}
	once := &http.Transport{DialContext: dialer("").DialContext, TLSHandshakeTimeout: dialLimit, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}} //nolint:gosec // what it answers is held against the token
	answer, err := (&http.Client{Transport: once, CheckRedirect: stay}).Do(request)
	if err != nil {
		return nil, unreached(ctx, server, err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxPEM))
	if err != nil {
		return nil, unreached(ctx, server, err)
	}
	authority, err := parseCertificate(content)
	if err != nil || answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %w: it does not answer as an appliance does to hosts (%s): is it the address that 'hosts.listen' of the appliance says?", server, registry.ErrInvalid, answer.Status)
	}
	// The hash is of the key alone. What else a forged certificate said would be signed by
	// nobody.
	if !t.Fits(authority) || authority.CheckSignatureFrom(authority) != nil {
		return nil, fmt.Errorf("%s: %w: it has another authority than the one that made the token: it is another appliance, or somebody between", server, registry.ErrUntrusted)
	}
	return authority, nil
}

// unreached is an error of a connection.
func unreached(ctx context.Context, server string, err error) error {
	if whole := (*url.Error)(nil); errors.As(err, &whole) {
		err = whole.Err // without the address, which is said already
	}
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Errorf("%s: %w: it does not speak HTTPS: is it the address that 'hosts.listen' of the appliance says?", server, registry.ErrInvalid)
	case errors.Is(err, registry.ErrUntrusted):
		return fmt.Errorf("%s: %w", server, err)
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return fmt.Errorf("%s: %w: %w", server, registry.ErrUnreachable, err)
}

// ask asks one server. The error is an absence when the appliance has not answered there.
func (c *Client) ask(ctx context.Context, server string, x exchange) error {
	var content []byte
	if x.body != nil {
		var err error
		if content, err = json.Marshal(x.body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, x.method, server+x.path, bytes.NewReader(content))
	if err != nil {
		return &absence{fmt.Errorf("server %s: %w: %w", server, registry.ErrInvalid, err)}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Close = len(c.certificate().Certificate) == 0 // a connection has one certificate
	answer, err := c.http.Do(request)
	if err != nil {
		return &absence{unreached(ctx, server, err)}
	}
	defer answer.Body.Close()
	c.note(answer)
	said, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return &absence{unreached(ctx, server, err)}
	}
	return read(answer, said, x.to)
}

// read makes an answer or an error of what the appliance has said.
func read(answer *http.Response, said []byte, to any) error {
	switch {
	case len(said) > maxAnswer:
		return fmt.Errorf("%w: the appliance's answer to %s is longer than %d bytes", registry.ErrInvalid, answer.Request.URL.Path, maxAnswer)
	case answer.StatusCode/100 != 2:
		return problem(answer, said)
	case to == nil:
		return nil
	}
	if err := json.Unmarshal(said, to); err != nil {
		return fmt.Errorf("%w: the appliance's answer to %s cannot be read: %w", registry.ErrInvalid, answer.Request.URL.Path, err)
	}
	return nil
}

// kinds are kinds of problems as errors. The other kinds have none here.
var kinds = map[string]error{
	"denied":          registry.ErrDenied,
	"unauthenticated": registry.ErrDenied,
	"not_found":       registry.ErrNotFound,
	"conflict":        registry.ErrConflict,
	"limited":         registry.ErrConflict,
	"invalid":         registry.ErrInvalid,
	"untrusted":       registry.ErrUntrusted,
	"no_space":        registry.ErrNoSpace,
}

// problem is an answer that is an error.
// https://www.rfc-editor.org/rfc/rfc9457
func problem(answer *http.Response, said []byte) error {
	var p struct{ Kind, Detail string }
	if json.Unmarshal(said, &p) != nil || p.Detail == "" {
		return fmt.Errorf("the appliance answers %s to %s %s: is it of another version?", answer.Status, answer.Request.Method, answer.Request.URL.Path)
	}
	if kind := kinds[p.Kind]; kind != nil {
		return &refusal{kind, p.Detail}
	}
	return fmt.Errorf("the appliance could not do it: %s", p.Detail)
}

// refusal is an error of the other side: its text says the kind already.
type refusal struct {
	kind error
	text string
}

func (e *refusal) Error() string { return e.text }

func (e *refusal) Unwrap() error { return e.kind }
