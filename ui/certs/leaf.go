package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"time"
)

const (
	// leafLife is how long a leaf is valid from its making on.
	leafLife = 30 * 24 * time.Hour
	// leafUse is how long it is used: two thirds of its life.
	leafUse = leafLife * 2 / 3
	// leafBefore is how long before its making a leaf is valid. With leafLife it
	// stays within the 398 days that the strictest clients accept.
	leafBefore = 365 * 24 * time.Hour
	// clockStep is by how much a clock may be set back without a new leaf: it is
	// more than time servers correct all the time.
	clockStep = time.Hour
)

// leaf is the certificate of this machine from the site's own authority.
type leaf struct {
	cert  *tls.Certificate
	made  time.Time
	names subjects
}

// due tells why there must be a new leaf; empty when that is not so.
func (l *leaf) due(now time.Time) string {
	switch {
	case l == nil:
		return "first use"
	case now.Before(l.made.Add(-clockStep)):
		return "the clock was set back"
	case !now.Before(l.made.Add(leafUse)):
		return "two thirds of its life have passed"
	}
	return ""
}

// clockWrong reports whether the time is certainly wrong, or is of no use: after
// the end of the authority no leaf would be valid.
func (a *authority) clockWrong(now time.Time) bool {
	return now.Before(certainly) || now.After(a.cert.NotAfter)
}

// issue makes a leaf with a new key. Its chain holds the authority's certificate
// too, so that who knows its fingerprint can get it from a handshake.
func (a *authority) issue(names subjects, now time.Time) (*leaf, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Landfall appliance " + shortID(a.cert.SubjectKeyId)},
		NotBefore:             now.Add(-leafBefore),
		NotAfter:              now.Add(leafLife),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:              names.names,
	}
	if a.clockWrong(now) {
		template.NotBefore, template.NotAfter = a.cert.NotBefore, a.cert.NotAfter
	}
	for _, address := range names.addresses {
		template.IPAddresses = append(template.IPAddresses, address.AsSlice())
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	chain := [][]byte{der, a.cert.Raw}
	return &leaf{cert: &tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: cert}, made: now, names: names}, nil
}
