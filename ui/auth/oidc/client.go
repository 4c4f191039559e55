package oidc

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"
)

const (
	patience  = 10 * time.Second // for one answer of the provider
	maxAnswer = 1 << 20          // bytes of one
)

// newClient speaks to some hosts and no others, whatever a provider says where its
// endpoints are, and not through proxies.
func newClient(hosts []string, roots *x509.CertPool) *http.Client {
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext:         (&net.Dialer{Timeout: patience}).DialContext,
		TLSHandshakeTimeout: patience,
		DisableKeepAlives:   true, // logins are rare, and nobody would close them
	}
	return &http.Client{
		Timeout:       patience,
		Transport:     &narrow{hosts, transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// narrow lets requests to some hosts through.
type narrow struct {
	hosts []string
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (n *narrow) RoundTrip(r *http.Request) (*http.Response, error) {
	if !slices.Contains(n.hosts, r.URL.Host) || r.URL.Scheme != "https" && !loopback(r.URL.Hostname()) {
		return nil, fmt.Errorf("%s is not the configured identity provider", r.URL.Host)
	}
	a, err := n.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	a.Body = &bounded{io.LimitReader(a.Body, maxAnswer), a.Body}
	return a, nil
}

// bounded is a body that ends after so many bytes.
type bounded struct {
	io.Reader
	io.Closer
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
