package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
)

// suites are those of TLS 1.2 that keep what was sent secret when a key is lost
// later. TLS 1.3 has no others.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// TLSConfig is how servers speak TLS: 1.2 or newer, and HTTP/1.1 only, since HTTP/2
// costs the registry's reads too much. Each handshake gets the certificate that is
// in force then, and there are no session tickets: a resumed session would go on
// with one that was replaced.
func (c *Certs) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS12,
		CipherSuites:           suites,
		NextProtos:             []string{"http/1.1"},
		SessionTicketsDisabled: true,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.present().choose(hello.ServerName, localAddress(hello.Conn)), nil
		},
	}
}

// Listener speaks TLS on what l accepts. Who speaks plain HTTP there gets nothing
// but a 400 that says so, from net/http.Server.
func (c *Certs) Listener(l net.Listener) net.Listener { return tls.NewListener(l, c.TLSConfig()) }

// localAddress is the address of this machine that a client has reached.
func localAddress(conn net.Conn) netip.Addr {
	if conn == nil {
		return netip.Addr{}
	}
	at, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().WithZone("").Unmap()
}

// choose is the certificate for a client that asked for a name, or, without one,
// has used an address. A customer's certificate is shown for whatever it is for,
// expired or not, and whenever that is not certain. The own leaf takes over only
// where the customer's is of no use to anybody, so that hosts that trust the site's
// authority go on to reach it by names and addresses that the other one leaves out.
func (s *state) choose(name string, at netip.Addr) *tls.Certificate {
	if s.custom == nil {
		return s.own.cert
	}
	theirs, ours := s.custom.cert.Leaf, s.own.cert.Leaf
	if name != "" {
		if theirs.VerifyHostname(name) != nil && ours.VerifyHostname(name) == nil {
			return s.own.cert
		}
		return s.custom.cert
	}
	if !holds(theirs, at) && holds(ours, at) && !foreign(theirs, ours) {
		return s.own.cert
	}
	return s.custom.cert
}

// foreign reports whether a certificate is for an address that is not this
// machine's: then the address that clients use may be translated on the way.
func foreign(theirs, ours *x509.Certificate) bool {
	return slices.ContainsFunc(theirs.IPAddresses, func(ip net.IP) bool {
		a, ok := netip.AddrFromSlice(ip)
		return ok && !holds(ours, a.Unmap())
	})
}

// holds reports whether a certificate is for an address.
func holds(cert *x509.Certificate, a netip.Addr) bool {
	return slices.ContainsFunc(cert.IPAddresses, isAddress(a))
}

func isAddress(a netip.Addr) func(net.IP) bool {
	return func(ip net.IP) bool {
		if v4 := ip.To4(); v4 != nil {
			ip = v4
		}
		return bytes.Equal(ip, a.AsSlice())
	}
}
