// Package faultproxy stands between clients and one registry, and makes the
// way there long, narrow or broken, on purpose and as told. It is for tests and
// benchmarks; it does not cache, does not understand what it carries, and keeps
// no state of the registry's.
//
// Nouns. The upstream is the registry behind the proxy. The link is the line
// that clients seem to reach it over: a round trip and a bandwidth. A rule says
// which requests an action befalls; the action is one thing that goes wrong. A
// fault is a rule in force. The counts are what clients asked for and were sent.
//
//	p, err := faultproxy.Start(faultproxy.Options{Upstream: "http://127.0.0.1:5000"})
//	defer p.Close()
//	p.SetLink(faultproxy.Link{RoundTrip: 50 * time.Millisecond, BytesPerSecond: 20e6})
//	f := p.Add(faultproxy.Rule{Method: "GET", Path: "/blobs/", Times: 2, Action: faultproxy.Cut(1 << 20)})
//	// ... pull from p.Host() ...
//	f.Hits(), p.Counts().BlobBytes
package faultproxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync"
)

// Options say what a proxy stands in front of and what it asks of clients. The
// zero value of each field but Upstream means none of it.
type Options struct {
	Upstream string // scheme and host: http://127.0.0.1:5000
	Address  string // where to listen; "" is any port of 127.0.0.1
	Link     Link

	TLS   bool     // serve https with a certificate of an authority made for this proxy
	Names []string // what the certificate is for, besides the address and localhost

	// Username and Password are asked for: by basic authentication of every
	// request, or of those for a token when there are Tokens.
	Username, Password string
	Tokens             *Tokens
}

// Proxy serves from Start to Close.
type Proxy struct {
	options   Options
	upstream  *url.URL
	listener  net.Listener
	server    *http.Server
	transport *http.Transport
	authority []byte
	link      link
	faults    faults
	counts    counts
	issued    issued
	stop      context.CancelFunc
	serving   sync.WaitGroup // the server, and one for each connection
}

// Start serves on a port of the loopback interface.
func Start(o Options) (*Proxy, error) {
	upstream, err := url.Parse(o.Upstream)
	if err != nil {
		return nil, err
	}
	if upstream.Scheme == "" || upstream.Host == "" {
		return nil, fmt.Errorf("upstream %q: want scheme and host", o.Upstream)
	}
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	p := &Proxy{options: o, upstream: upstream, transport: &http.Transport{
		DisableCompression:  true, // else bodies arrive changed
		MaxIdleConnsPerHost: 64,
	}}
	p.link.set(o.Link)
	p.counts.reset()
	listener, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, err
	}
	p.listener = late{listener, p}
	if o.TLS {
		if err := p.secure(); err != nil {
			return nil, errors.Join(err, listener.Close())
		}
	}
	p.serve()
	return p, nil
}

// secure makes the listener speak TLS. HTTP/2 is left out: it would carry many
// answers over one connection, of which none could be cut alone.
func (p *Proxy) secure() error {
	certificate, authority, err := certify(p.listener.Addr().(*net.TCPAddr).IP, p.options.Names...)
	if err != nil {
		return err
	}
	p.authority = authority
	p.listener = tls.NewListener(p.listener, &tls.Config{
		Certificates: []tls.Certificate{certificate},
		NextProtos:   []string{"http/1.1"},
		MinVersion:   tls.VersionTLS12,
	})
	return nil
}

func (p *Proxy) serve() {
	var ctx context.Context
	ctx, p.stop = context.WithCancel(context.Background())
	p.server = &http.Server{
		Handler:     http.HandlerFunc(p.handle),
		ErrorLog:    log.New(io.Discard, "", 0), // connections break here by design
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnState:   p.follow,
	}
	p.serving.Go(func() { _ = p.server.Serve(p.listener) })
}

// follow lets Close wait for the connections. The server tells of a new one
// before it can return, and of its end when nothing works on it any more.
func (p *Proxy) follow(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		p.serving.Add(1)
	case http.StateClosed, http.StateHijacked:
		p.serving.Done()
	}
}

// Close breaks all connections and returns when nothing of the proxy runs any
// more.
func (p *Proxy) Close() {
	p.stop()
	_ = p.server.Close()
	p.serving.Wait()
	p.transport.CloseIdleConnections()
}

// Host is the proxy's address, as it stands in an image's name.
func (p *Proxy) Host() string { return p.listener.Addr().String() }

// URL is the proxy's address with its scheme.
func (p *Proxy) URL() string { return p.scheme() + "://" + p.Host() }

func (p *Proxy) scheme() string {
	if p.options.TLS {
		return "https"
	}
	return "http"
}

// Authority is the certificate, in PEM, that clients have to trust; nil without
// TLS.
func (p *Proxy) Authority() []byte { return p.authority }

// SetLink changes the link for what is not yet sent.
func (p *Proxy) SetLink(l Link) { p.link.set(l) }

// Counts are the counts since the start or the last reset.
func (p *Proxy) Counts() Counts { return p.counts.read() }

// ResetCounts starts counting anew.
func (p *Proxy) ResetCounts() { p.counts.reset() }
