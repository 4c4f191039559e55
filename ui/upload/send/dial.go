package send

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/landfall-dev/landfall/registry"
)

// uploadsPath is where an appliance has its uploads.
const uploadsPath = "/api/v1/uploads"

// bufferSize is in what pieces a connection takes a body, in bytes.
const bufferSize = 64 << 10

// Dial makes a client for an appliance at http://HOST:PORT, https://HOST:PORT or
// unix:///path/to/socket, and tells the URL of its uploads. caFile, if any, is a PEM
// file with certificates to trust besides the system's. It dials nothing yet.
func Dial(server, caFile string) (client *http.Client, uploads string, err error) {
	u, err := url.Parse(server)
	if err != nil || !reachable(u) {
		return nil, "", fmt.Errorf("server %q: %w: want http://HOST:PORT, https://HOST:PORT or unix:///path/to/socket", server, registry.ErrInvalid)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // the appliance is at the site
	// Parts go over connections of their own.
	transport.Protocols = &http.Protocols{}
	transport.Protocols.SetHTTP1(true)
	transport.WriteBufferSize = bufferSize
	base := strings.TrimSuffix(server, "/")
	if u.Scheme == "unix" {
		base = "http://landfall"
	}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if u.Scheme == "unix" {
			network, address = "unix", u.Path
		}
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &line{Conn: c, broken: make(chan struct{})}, nil
	}
	if caFile != "" {
		pool, err := certificates(caFile)
		if err != nil {
			return nil, "", err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // with what it shows
	return &http.Client{Transport: transport, CheckRedirect: stay}, base + uploadsPath, nil
}

// line is a connection that tells when it has broken. A request whose body waits does
// not: net/http waits for the body.
type line struct {
	net.Conn
	once   sync.Once
	broken chan struct{} // closed when it has
}

func (l *line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if err != nil {
		l.once.Do(func() { close(l.broken) })
	}
	return n, err
}

// brokenOf is closed when a connection breaks, if Dial made it; else it is nil.
func brokenOf(c net.Conn) <-chan struct{} {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	if l, ok := c.(*line); ok {
		return l.broken
	}
	return nil
}

func reachable(u *url.URL) bool {
	switch u.Scheme {
	case "http", "https":
		return u.Host != ""
	case "unix":
		return u.Host == "" && filepath.IsAbs(u.Path)
	}
	return false
}

func certificates(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%w: %s: no certificate in it", registry.ErrInvalid, file)
	}
	return pool, nil
}
