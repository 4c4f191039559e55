package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// Certificates of hosts. They are leaves, too, and the rules for wrong clocks are those
// of the appliance's own, seen from the other side: none is too new, since it was this
// authority that made it, whatever the clock said then; and one is accepted until a year
// after its end, since the appliance's clock may be ahead by as much, and a host that was
// off for a season should come back by itself. When the clock is certainly wrong, the end
// does not count at all. What takes a host's access away is that it is unlinked, which
// needs no clock.
const (
	clientLife = 90 * 24 * time.Hour
	// clientGrace is how long after its end a client's certificate is accepted.
	clientGrace = 365 * 24 * time.Hour
)

// ClientEnds is how long after its making a client's certificate is good for nothing.
const ClientEnds = clientLife + clientGrace

// clientScheme and "host:" and its id is what a client's certificate calls a host.
const (
	clientScheme = "landfall"
	clientKind   = "host:"
)

// Authority is the certificate of the site's own authority, for reading only.
func (c *Certs) Authority() *x509.Certificate { return c.authority.cert }

// ParseRequest reads a request for a certificate (PKCS #10, DER) whose key signs it.
// ErrInvalid for another key than ECDSA P-256.
func ParseRequest(der []byte) (*x509.CertificateRequest, error) {
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("%w: the request for a certificate cannot be read: it is no PKCS #10", registry.ErrInvalid)
	}
	if key, ok := request.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: the request for a certificate has another key than ECDSA P-256", registry.ErrInvalid)
	}
	if err := request.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: the request for a certificate is not signed with its key", registry.ErrInvalid)
	}
	return request, nil
}

// SignClient gives the key of a request a certificate for the host of an id, valid for 90
// days. Of the request nothing but the key counts.
func (c *Certs) SignClient(request *x509.CertificateRequest, id string) (*x509.Certificate, error) {
	now := c.now()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Landfall host " + id},
		NotBefore:             now.Add(-leafBefore),
		NotAfter:              now.Add(clientLife),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs:                  []*url.URL{{Scheme: clientScheme, Opaque: clientKind + id}},
	}
	if c.authority.clockWrong(now) { // as long as the authority: hosts renew it when clocks are right
		template.NotBefore, template.NotAfter = c.authority.cert.NotBefore, c.authority.cert.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.authority.cert, request.PublicKey, c.authority.key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for host %s: %w", id, err)
	}
	return x509.ParseCertificate(der)
}

// Chain is a certificate of the authority with the authority's, as PEM each.
func (c *Certs) Chain(cert *x509.Certificate) (own, authority []byte) {
	return encodeCertificates(cert), c.CAPEM()
}

// HostsTLSConfig is how hosts are spoken with: always with the own leaf, never with a
// customer's certificate, since hosts trust this site's authority alone. A client may
// show a certificate; one that is not a client's of this authority ends the handshake.
// Whether its time is over is ClientID's matter, which can say so.
func (c *Certs) HostsTLSConfig() *tls.Config {
	config := c.TLSConfig()
	config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.present().own.cert, nil }
	config.ClientCAs = x509.NewCertPool()
	config.ClientCAs.AddCert(c.authority.cert)
	// The package's own check would compare with the clock only, which may be wrong. That
	// the client has the key is proven by the handshake in any case.
	config.ClientAuth = tls.RequestClientCert
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return nil
		}
		return verifyClient(state.PeerCertificates[0], config.ClientCAs)
	}
	return config
}

// verifyClient is an error for a certificate that this authority has not made for a
// client, whatever the time is: at its beginning the authority is valid, too.
func verifyClient(cert *x509.Certificate, authority *x509.CertPool) error {
	_, err := cert.Verify(x509.VerifyOptions{Roots: authority, CurrentTime: cert.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err == nil && clientID(cert) == "" {
		err = errors.New("it is not for a host")
	}
	if err != nil {
		return fmt.Errorf("the client's certificate is not of this site: %w", err)
	}
	return nil
}

// ClientID is the id of the host whose certificate a connection of HostsTLSConfig has
// shown. ErrDenied when it has shown none, and when that has ended for good.
func (c *Certs) ClientID(state *tls.ConnectionState) (string, error) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return "", fmt.Errorf("%w: this is for linked hosts only: it needs the host's certificate", registry.ErrDenied)
	}
	cert, now := state.PeerCertificates[0], c.now()
	if now.After(cert.NotAfter.Add(clientGrace)) && !c.authority.clockWrong(now) {
		return "", fmt.Errorf("%w: the host's certificate ended on %s, and now it is %s by the appliance's clock: link the host again with a new token",
			registry.ErrDenied, stamp(cert.NotAfter), stamp(now))
	}
	return clientID(cert), nil
}

// clientID is the id of the host that a certificate is for; empty when it is for none.
func clientID(cert *x509.Certificate) string {
	if len(cert.URIs) != 1 || cert.URIs[0].Scheme != clientScheme {
		return ""
	}
	id, ok := strings.CutPrefix(cert.URIs[0].Opaque, clientKind)
	if !ok {
		return ""
	}
	return id
}
