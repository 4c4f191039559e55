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

	"github.com/landfall-dev/landfall/registry"
)

// uploadsPath is where an appliance has its uploads.
const uploadsPath = "/api/v1/uploads"

// bufferSize is in what pieces a connection takes a body, in bytes.
const bufferSize = 256 << 10

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
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", u.Path)
		}
	}
	if caFile != "" {
		pool, err := certificates(caFile)
		if err != nil {
			return nil, "", err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return &http.Client{Transport: transport}, base + uploadsPath, nil
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
