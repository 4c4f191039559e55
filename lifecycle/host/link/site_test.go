package link_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/host/link"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// site is an appliance's side of the protocol, with the rules of its certificates: an
// authority that is valid from 1970 on, leaves from a year before they were made. All its
// fields belong to the test.
type site struct {
	authority *x509.Certificate
	key       *ecdsa.PrivateKey

	mu      sync.Mutex
	now     func() time.Time
	leaf    tls.Certificate
	token   link.Token
	usedBy  any // the public key that has used the token up
	id      string
	serial  int64
	links   int  // answered requests to link
	renews  int  // answered requests to renew
	cut     int  // so many requests to link are done but not answered
	gone    bool // the host is not known any more
	seen    []string
	results []host.Result
	work    host.Work
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{now: time.Now, id: "h1"}
	s.key = newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "site"}, NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(10 * 365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign}
	s.authority = sign(t, template, template, s.key.Public(), s.key)
	s.renewLeaf(t, x509.ExtKeyUsageServerAuth)
	s.token = link.NewToken(s.authority)
	return s
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, template, parent *x509.Certificate, public any, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// renewLeaf makes the appliance's certificate, which is for none of its addresses.
func (s *site) renewLeaf(t *testing.T, usage x509.ExtKeyUsage) {
	t.Helper()
	key := newKey(t)
	cert := sign(t, s.template(30*24*time.Hour, usage), s.authority, key.Public(), s.key)
	s.leaf = tls.Certificate{Certificate: [][]byte{cert.Raw, s.authority.Raw}, PrivateKey: key}
}

func (s *site) template(life time.Duration, usage x509.ExtKeyUsage) *x509.Certificate {
	s.serial++
	return &x509.Certificate{SerialNumber: big.NewInt(s.serial + 1), DNSNames: []string{"elsewhere.example"}, NotBefore: s.now().Add(-365 * 24 * time.Hour), NotAfter: s.now().Add(life),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}}
}

// serve answers at an address of loopback until the test ends, or stop is called.
func (s *site) serve(t *testing.T) (server string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.authority)
	config := &tls.Config{ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return &s.leaf, nil
		}}
	web := &http.Server{Handler: s.handler(), ErrorLog: log.New(io.Discard, "", 0)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = web.Serve(tls.NewListener(l, config)) })
	stop = func() { web.Close(); serving.Wait() }
	t.Cleanup(stop)
	return "https://" + l.Addr().String(), stop
}

func (s *site) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+host.PathAuthority, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(encode(s.authority)) })
	mux.HandleFunc("POST "+host.PathLink, s.answer(false, s.link))
	mux.HandleFunc("POST "+host.PathRenew, s.answer(true, func(r *http.Request) any {
		var in host.RenewRequest
		if json.NewDecoder(r.Body).Decode(&in) != nil {
			return problem{"invalid", "no request"}
		}
		s.renews++
		return s.linked(in.Request)
	}))
	mux.HandleFunc("PUT "+host.PathInventory, s.answer(true, func(*http.Request) any { return nil }))
	mux.HandleFunc("POST "+host.PathUnlink, s.answer(true, func(*http.Request) any { s.gone = true; return nil }))
	mux.HandleFunc("GET "+host.PathWork, s.answer(true, func(*http.Request) any { return s.work }))
	mux.HandleFunc("PUT "+host.PathResults, s.answer(true, func(r *http.Request) any {
		var in host.Result
		if json.NewDecoder(r.Body).Decode(&in) != nil {
			return problem{"invalid", "no result"}
		}
		s.results = append(s.results, in)
		return nil
	}))
	return mux
}

type problem struct {
	Kind   string `json:"kind"`
	Detail string `json:"detail"`
}

// answer answers a request, of a linked host only when it has to be one.
func (s *site) answer(linked bool, do func(r *http.Request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
		s.seen = append(s.seen, r.Method+" "+r.URL.Path+" "+r.Proto)
		var said any = problem{"denied", "this appliance has no host with this certificate"}
		if !linked || len(r.TLS.PeerCertificates) == 1 && r.TLS.PeerCertificates[0].Subject.CommonName == s.id && !s.gone {
			said = do(r)
		}
		if s.cut > 0 && r.URL.Path == host.PathLink {
			s.cut--
			panic(http.ErrAbortHandler)
		}
		if _, is := said.(problem); is {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusForbidden)
		}
		_ = json.NewEncoder(w).Encode(said)
	}
}

func (s *site) link(r *http.Request) any {
	var in host.LinkRequest
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		return problem{"invalid", "no request"}
	}
	request, err := x509.ParseCertificateRequest(in.Request)
	if err != nil || request.CheckSignature() != nil {
		return problem{"invalid", "no PKCS #10"}
	}
	key := request.PublicKey.(*ecdsa.PublicKey)
	if in.Token != s.token.Secret() || s.usedBy != nil && !key.Equal(s.usedBy) {
		return problem{"denied", "the token is not valid, was used, or its time is over"}
	}
	s.usedBy = key
	s.links++
	return s.linked(in.Request)
}

func (s *site) linked(der []byte) any {
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return problem{"invalid", "no PKCS #10"}
	}
	template := s.template(90*24*time.Hour, x509.ExtKeyUsageClientAuth)
	template.Subject.CommonName = s.id
	der, err = x509.CreateCertificate(rand.Reader, template, s.authority, request.PublicKey, s.key)
	if err != nil {
		return problem{"failed", err.Error()}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return problem{"failed", err.Error()}
	}
	return host.Linked{ID: s.id, Name: "edge7", Certificate: encode(cert), Authority: encode(s.authority), Expires: cert.NotAfter, Registry: "https://127.0.0.1:5443", Site: "s1"}
}

func encode(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

// set changes what belongs to the test while the site answers.
func (s *site) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}
