package source

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// apiLimit is how long a Harbor may think about an answer.
const apiLimit = 30 * time.Second

func newAPI(ca []byte) (*http.Client, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if len(ca) > 0 && !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("source: CA: %w: it holds no certificate in PEM form", registry.ErrInvalid)
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	// A password is sent to the Harbor alone, wherever that would send it on to.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: transport, Timeout: apiLimit, CheckRedirect: stay}, nil
}

// project asks a Harbor whether it has the project (its API v2.0, "headProject"). An
// account that may not know is no failure: pushing will tell.
func (t *Target) project(ctx context.Context) error {
	address := t.spec.URL + "/api/v2.0/projects?project_name=" + url.QueryEscape(t.spec.Project)
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, address, http.NoBody)
	if err != nil {
		return fmt.Errorf("source %s: %w: %w", t.spec.URL, registry.ErrInvalid, err)
	}
	if t.spec.Username != "" {
		req.SetBasicAuth(t.spec.Username, t.opts.Password)
	}
	resp, err := t.api.Do(req)
	if err != nil {
		return t.unreached(err)
	}
	resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK, http.StatusForbidden:
		return nil
	case http.StatusNotFound:
		return fmt.Errorf("source %s: %w: it has no project %q: make it in the Harbor, or name another one in the cluster's source", t.spec.URL, registry.ErrNotFound, t.spec.Project)
	case http.StatusUnauthorized:
		return fmt.Errorf("source %s: %w: it does not let account %q in: give the whole name of the robot account, like robot$edge, and its secret", t.spec.URL, registry.ErrDenied, t.spec.Username)
	}
	return fmt.Errorf("source %s: %w: asked for project %s, it answers %s: is it a Harbor?", t.spec.URL, registry.ErrUnreachable, t.spec.Project, resp.Status)
}

// unreached is the error of a Harbor that does not answer.
func (t *Target) unreached(err error) error {
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return fmt.Errorf("source %s: %w: its certificate is of an authority that is not known here: give that as ca in the cluster's source: %w", t.spec.URL, registry.ErrUnreachable, certificate)
	}
	for u := (*url.Error)(nil); errors.As(err, &u); {
		err = u.Err // the address is named already
	}
	return fmt.Errorf("source %s: %w: %w", t.spec.URL, registry.ErrUnreachable, err)
}
