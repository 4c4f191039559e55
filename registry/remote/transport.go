package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// idleConnections to one host are kept: as many as requests may be under way at
// once, so that none has to shake hands again.
const idleConnections = 32

// bufferSize of a connection, in bytes: Go's 4 KiB cost a system call for
// every page of a layer.
const bufferSize = 64 << 10

// trusted are the system's certificates, those of a file and those at hand.
func trusted(file string, pem []byte) (*x509.CertPool, error) {
	if file == "" && len(pem) == 0 {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if len(pem) > 0 && !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA: %w: it holds no certificate in PEM form", registry.ErrInvalid)
	}
	if file == "" {
		return pool, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w: %v", registry.ErrInvalid, err)
	}
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("CA file %s: %w: it holds no certificate in PEM form", file, registry.ErrInvalid)
	}
	return pool, nil
}

// newTransport speaks HTTP/1.1 only: under TLS, HTTP/2 costs several times the
// CPU for large bodies and squeezes all transfers through one connection.
func newTransport(server *url.URL, roots *x509.CertPool) *http.Transport {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout:     90 * time.Second,
		ReadBufferSize:      bufferSize,
		WriteBufferSize:     bufferSize,
		// Layers are compressed already, and a decompressed one has another digest.
		DisableCompression: true,
		Protocols:          new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	if server != nil && server.Scheme == "unix" {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", server.Path)
		}
	}
	return t
}
