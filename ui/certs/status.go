package certs

import (
	"crypto/x509"
	"fmt"
	"time"
)

// Sources of what is served.
const (
	Own    = "own"    // the leaf of the site's own authority
	Custom = "custom" // a certificate that was set
)

// Status is what the site presents itself with.
type Status struct {
	Source    string       `json:"source"`  // own or custom
	Version   string       `json:"version"` // of what SetCustom and RemoveCustom change
	Own       Certificate  `json:"own"`
	Custom    *Certificate `json:"custom,omitempty"`
	Authority Certificate  `json:"authority"` // of the own one
	Warnings  []string     `json:"warnings"`  // what people should do something about
}

// Certificate is what people want to know of one.
type Certificate struct {
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	Names       []string  `json:"names,omitempty"` // and addresses
	ValidFrom   time.Time `json:"validFrom"`
	ValidUntil  time.Time `json:"validUntil"`
	DaysLeft    int       `json:"daysLeft"`    // negative: since so long
	Fingerprint string    `json:"fingerprint"` // SHA-256
}

// Status tells what is served and what is wrong with it. A customer's certificate
// that has expired is served nevertheless: its clients know it, and may have a way
// to go on; the own leaf in its place would only be unknown to them. It is warned
// of here, and in the log once a day, from 30 days before its end on.
func (c *Certs) Status() Status {
	s, now := c.present(), c.now()
	status := Status{
		Source:    Own,
		Version:   s.version(),
		Own:       describe(s.own.cert.Leaf, now),
		Authority: describe(c.authority.cert, now),
		Warnings:  c.authority.warnings(now),
	}
	if s.custom != nil {
		custom := describe(s.custom.cert.Leaf, now)
		status.Source, status.Custom = Custom, &custom
		status.Warnings = append(status.Warnings, s.custom.warnings(now, s.own.names)...)
	}
	if s.damaged != nil {
		status.Warnings = append(status.Warnings, fmt.Sprintf("the certificate that was set is not served: %v. Set it again, or remove it", s.damaged))
	}
	return status
}

// authoritySoon is how long before its end the authority is warned of: each host
// must be told.
const authoritySoon = 365 * 24 * time.Hour

func (a *authority) warnings(now time.Time) []string {
	list := []string{}
	if now.Before(certainly) {
		list = append(list, fmt.Sprintf("the clock of this machine says %s, which is before this release was made: set it right", stamp(now)))
	}
	if left := a.cert.NotAfter.Sub(now); left < authoritySoon {
		list = append(list, fmt.Sprintf("the site's own authority ends on %s (%d days). Unless the clock is wrong, remove %s, keep %s, and start again: "+
			"that makes a certificate with the same name and key; then give it to every host", stamp(a.cert.NotAfter), days(left), authorityFile, authorityKeyFile))
	}
	return list
}

func describe(cert *x509.Certificate, now time.Time) Certificate {
	d := Certificate{
		Subject:     cert.Subject.String(),
		Issuer:      cert.Issuer.String(),
		Names:       append([]string{}, cert.DNSNames...),
		ValidFrom:   cert.NotBefore,
		ValidUntil:  cert.NotAfter,
		DaysLeft:    days(cert.NotAfter.Sub(now)),
		Fingerprint: fingerprint(cert),
	}
	for _, ip := range cert.IPAddresses {
		d.Names = append(d.Names, ip.String())
	}
	return d
}

// days are whole days, rounded down.
func days(d time.Duration) int {
	const day = 24 * time.Hour
	n := int(d / day)
	if d%day < 0 {
		n--
	}
	return n
}
