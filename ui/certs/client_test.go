package certs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/certs"
)

const day = 24 * time.Hour

// requested is a request for a certificate of a key.
func requested(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "somebody else"}, DNSNames: []string{"edge1"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// linked is a client's certificate of a site.
func linked(t *testing.T, c *certs.Certs, id string) tls.Certificate {
	t.Helper()
	key := newEC(t, elliptic.P256())
	request, err := certs.ParseRequest(requested(t, key))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := c.SignClient(request, id)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// serveHosts answers with the id of the client, or why it is none.
func serveHosts(t *testing.T, c *certs.Certs) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := c.ClientID(r.TLS)
		if err != nil {
			id = err.Error()
		}
		io.WriteString(w, id)
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(tls.NewListener(l, c.HostsTLSConfig())) }()
	t.Cleanup(func() {
		server.Close()
		<-ended
	})
	return l.Addr().String()
}

// who asks who one is with a certificate, or without.
func who(t *testing.T, c *certs.Certs, address string, shown ...tls.Certificate) (string, error) {
	t.Helper()
	config := trusting("127.0.0.1", today, c.CAPEM())
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { // shown whoever is asked for
		if len(shown) == 0 {
			return &tls.Certificate{}, nil
		}
		return &shown[0], nil
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	answer, err := client.Get("https://" + address + "/")
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

// A host that has a certificate of the site is known by it; one without is served, and
// known by nothing; certificates of others do not get through.
func TestClient(t *testing.T) {
	t.Parallel()
	s, other := newSite(t), newSite(t)
	c, foreign := s.open(t), other.open(t)
	address := serveHosts(t, c)
	cert := linked(t, c, "abc")
	if got, err := who(t, c, address, cert); err != nil || got != "abc" {
		t.Error(got, err)
	}
	leaf := cert.Leaf
	if leaf.NotBefore != today.Add(-365*day) || leaf.NotAfter != today.Add(90*day) || len(leaf.DNSNames) != 0 || leaf.Subject.CommonName != "Landfall host abc" {
		t.Errorf("%+v", leaf)
	}
	if got, err := who(t, c, address); err != nil || !strings.Contains(got, "needs the host's certificate") {
		t.Error(got, err)
	}
	if got, err := who(t, c, address, linked(t, foreign, "abc")); err == nil {
		t.Error("a certificate of another authority: " + got)
	}
	template := x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, URIs: []*url.URL{{Scheme: "landfall", Opaque: "host:abc"}}}
	own := sign(t, template, nil, nil)
	if got, err := who(t, c, address, tls.Certificate{Certificate: [][]byte{own.cert.Raw}, PrivateKey: own.key}); err == nil {
		t.Error("a certificate that was signed by itself: " + got)
	}
}

// Hosts are shown the leaf of the site's own authority, also where a customer's
// certificate is for the name that they use.
func TestClientServer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.open(t)
	custom := sign(t, forServer("edge1", "127.0.0.1"), nil, nil)
	if _, err := c.SetCustom(t.Context(), certText(custom), keyText(t, custom.key), ""); err != nil {
		t.Fatal(err)
	}
	own := leaf(t, serveHosts(t, c), trusting("edge1", today, c.CAPEM()))
	if !strings.HasPrefix(own.Subject.CommonName, "Landfall appliance") || c.Authority().CheckSignature(own.SignatureAlgorithm, own.RawTBSCertificate, own.Signature) != nil {
		t.Error(own.Subject)
	}
}

// A wrong clock of the appliance locks no host out; a certificate that ended long ago by
// a clock that may be right does.
func TestClientClocks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		made, asked time.Time
		refused     bool
	}{
		"same time":             {today, today, false},
		"set back by years":     {today.Add(1500 * day), today, false},
		"the clock has no time": {today, time.Unix(0, 0), false},
		"made without a time":   {time.Unix(0, 0), today.Add(1000 * day), false},
		"off for a season":      {today, today.Add(200 * day), false},
		"ahead by a year":       {today, today.Add(454 * day), false},
		"ended long ago":        {today, today.Add(456 * day), true},
		"beyond the authority":  {today, today.Add(20 * 365 * day), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			c := s.open(t)
			address := serveHosts(t, c)
			s.set(func() { s.now = test.made })
			cert := linked(t, c, "abc")
			s.set(func() { s.now = test.asked })
			config := trusting("127.0.0.1", today, c.CAPEM())
			config.InsecureSkipVerify = true // the host's side of clocks is another matter
			config.Certificates = []tls.Certificate{cert}
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
			answer, err := client.Get("https://" + address + "/")
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			text, _ := io.ReadAll(answer.Body)
			if refused := string(text) != "abc"; refused != test.refused {
				t.Errorf("%s", text)
			}
		})
	}
}

// Requests that are none, or of other keys, are refused.
func TestParseRequest(t *testing.T) {
	t.Parallel()
	good := requested(t, newEC(t, elliptic.P256()))
	forged := append([]byte{}, good...)
	forged[len(forged)-1] ^= 1
	for what, der := range map[string][]byte{
		"nothing": nil, "cut": good[:20], "more": append(append([]byte{}, good...), 0), "forged": forged,
		"P-384": requested(t, newEC(t, elliptic.P384())), "RSA": requested(t, newRSA(t, 2048)),
	} {
		if _, err := certs.ParseRequest(der); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if r, err := certs.ParseRequest(good); err != nil || r.PublicKey.(*ecdsa.PublicKey) == nil {
		t.Error(err)
	}
}

// No bytes in place of a request are a crash.
func FuzzParseRequest(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(requested(f, key))
	f.Fuzz(func(t *testing.T, der []byte) {
		if _, err := certs.ParseRequest(der); err != nil && !errors.Is(err, registry.ErrInvalid) {
			t.Fatal(err)
		}
	})
}
