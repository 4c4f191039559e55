package faultproxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// handle counts a request, lets it over the link, and answers it: by who asks,
// by a rule, or with what the upstream says.
func (p *Proxy) handle(w http.ResponseWriter, r *http.Request) {
	kind := kindOf(r)
	p.counts.request(kind)
	wait(r.Context(), p.link.roundTrip())
	if kind != Token && !p.admitted(w, r) {
		return
	}
	a := p.faults.action(r)
	wait(r.Context(), a.wait)
	switch {
	case a.answer != nil:
		a.answer(w)
	case kind == Token && p.options.Tokens != nil:
		p.issue(w, r)
	default:
		p.forward(w, r, kind, a)
	}
}

// wait breaks the connection when the context ends: to return would be an
// answer of 200.
func wait(ctx context.Context, d time.Duration) {
	if sleep(ctx, d) != nil {
		panic(http.ErrAbortHandler)
	}
}

// forward asks the upstream and sends on what it says. A body that ends too
// early takes the connection with it: its end is the only way to tell.
func (p *Proxy) forward(w http.ResponseWriter, r *http.Request, kind Kind, a Action) {
	out := p.outgoing(r)
	if a.request != nil {
		a.request(out)
	}
	answer, err := p.transport.RoundTrip(out)
	if err != nil {
		fail(w, http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	p.head(w, r, answer)
	if a.header != nil {
		a.header(w.Header())
	}
	w.WriteHeader(answer.StatusCode)
	if r.Method == http.MethodHead {
		return
	}
	if answer.StatusCode >= 300 {
		kind = Other // no bytes of a blob or manifest
	}
	body := io.Reader(answer.Body)
	if a.body != nil {
		body = a.body(r.Context(), body)
	}
	if err := p.send(r.Context(), w, body, kind); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// hops are the headers that are about one connection.
var hops = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// outgoing is the request to the upstream. It keeps the Host that the client
// asked, so that an upstream that writes links writes them to the proxy.
func (p *Proxy) outgoing(r *http.Request) *http.Request {
	out := r.Clone(r.Context())
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host = p.upstream.Scheme, p.upstream.Host
	if r.ContentLength == 0 {
		out.Body = http.NoBody
	}
	for _, name := range hops {
		out.Header.Del(name)
	}
	if p.guarded() {
		out.Header.Del("Authorization") // was for the proxy
	}
	out.Header.Set("X-Forwarded-Proto", p.scheme())
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", "") // none, instead of Go's
	}
	return out
}

func (p *Proxy) head(w http.ResponseWriter, r *http.Request, answer *http.Response) {
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	for _, name := range hops {
		w.Header().Del(name)
	}
	if location := answer.Header.Get("Location"); location != "" {
		w.Header().Set("Location", p.locate(location, r.Host))
	}
}

// locate keeps clients at the proxy: a link to the upstream becomes one to the
// host that the client asked. Links elsewhere, and relative ones, stay.
func (p *Proxy) locate(location, host string) string {
	u, err := url.Parse(location)
	if err != nil || !strings.EqualFold(u.Host, p.upstream.Host) && !strings.EqualFold(u.Host, host) {
		return location
	}
	u.Scheme, u.Host = p.scheme(), host
	return u.String()
}

// send sends a body over the link, each piece without delay: a rule may wait
// for long after it. A piece is counted before the client can have it.
func (p *Proxy) send(ctx context.Context, w http.ResponseWriter, body io.Reader, kind Kind) error {
	buffer := make([]byte, pieceMost)
	flush := http.NewResponseController(w)
	for {
		n, end := body.Read(buffer[:p.link.piece()])
		if n > 0 {
			if err := p.link.take(ctx, n); err != nil {
				return err
			}
			p.counts.sent(kind, n)
			written, err := w.Write(buffer[:n])
			p.counts.sent(kind, written-n)
			if err := errors.Join(err, flush.Flush()); err != nil {
				return err
			}
		}
		if end == io.EOF {
			return nil
		}
		if end != nil {
			return end
		}
	}
}
