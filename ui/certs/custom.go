package certs

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
)

// Versions of what SetCustom and RemoveCustom change when there is no certificate.
const (
	versionNone    = "none"
	versionDamaged = "damaged"
)

// custom is a customer's certificate.
type custom struct {
	cert    *tls.Certificate
	version string
}

// SetCustom puts a customer's certificate in place of the own leaf: its chain with
// the server's certificate first, and its key, both PEM. The key may be in the first
// text too, with the second one empty. What clients would not accept is refused
// with a *Refusal; what they may trip over is returned as warnings. ifVersion is
// the Status.Version that the caller has seen, registry.ErrConflict when it is
// another by now; empty for any. The audit entry is written before the certificate:
// a crash between them leaves an entry without a change, never the other way.
func (c *Certs) SetCustom(ctx context.Context, certPEM, keyPEM []byte, ifVersion string) (warnings []string, err error) {
	next, err := parseCustom(certPEM, keyPEM)
	if err != nil {
		return nil, err
	}
	if err := next.check(c.now()); err != nil {
		return nil, err
	}
	text, err := next.encode()
	if err != nil {
		return nil, err
	}
	if len(text) > maxCertText {
		return nil, refuse("certificate", "%d bytes with its key are more than the %d that are taken", len(text), maxCertText)
	}
	entry := audit.Entry{Action: "tls.certificate.set", Target: customFile, After: describe(next.cert.Leaf, c.now())}
	err = c.change(ctx, ifVersion, entry, func() error {
		return durable.WriteFile(c.customPath(), text, 0o600)
	})
	if err != nil {
		return nil, err
	}
	return next.warnings(c.now(), c.state.Load().own.names), nil
}

// RemoveCustom goes back to the own leaf; registry.ErrNotFound when no certificate
// was set. ifVersion is as in SetCustom.
func (c *Certs) RemoveCustom(ctx context.Context, ifVersion string) error {
	entry := audit.Entry{Action: "tls.certificate.remove", Target: customFile}
	return c.change(ctx, ifVersion, entry, func() error {
		if err := os.Remove(c.customPath()); err != nil {
			return err
		}
		return durable.SyncDir(c.dir)
	})
}

// change changes the customer's certificate on disk, and then serves what is there.
func (c *Certs) change(ctx context.Context, ifVersion string, entry audit.Entry, do func() error) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	s := c.state.Load()
	version := s.version()
	if version == versionNone && entry.After == nil {
		return fmt.Errorf("%w: no certificate was set", registry.ErrNotFound)
	}
	if ifVersion != "" && ifVersion != version {
		return fmt.Errorf("%w: the certificate is at version %s, not %s", registry.ErrConflict, version, ifVersion)
	}
	if s.custom != nil {
		entry.Before = describe(s.custom.cert.Leaf, c.now())
	}
	if err := c.note(ctx, entry); err != nil {
		return err
	}
	err := do()
	next := &state{own: s.own}
	next.custom, next.damaged = readCustom(c.customPath()) // after a failure too: it may have come after the change
	c.state.Store(next)
	if err != nil {
		entry.Outcome = "failed"
		if noteErr := c.note(ctx, entry); noteErr != nil {
			c.log.Error("a failure is not in the audit log", "error", noteErr)
		}
		return fmt.Errorf("%s: %w", customFile, registry.DiskError(err))
	}
	c.log.Info("changed the customer's certificate", "action", entry.Action, "version", next.version())
	return nil
}

func (c *Certs) note(ctx context.Context, e audit.Entry) error {
	if c.audit == nil {
		return nil
	}
	return c.audit.Note(ctx, e)
}

// version is what SetCustom and RemoveCustom change.
func (s *state) version() string {
	switch {
	case s.damaged != nil:
		return versionDamaged
	case s.custom == nil:
		return versionNone
	}
	return s.custom.version
}

// readCustom reads what SetCustom wrote; nil when there is nothing. What has
// expired since is served nevertheless: see Status.
func readCustom(path string) (*custom, error) {
	text, err := readAny(path)
	if text == nil || err != nil {
		return nil, err
	}
	k, err := parseCustom(text, nil)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	return k, nil
}

// encode is the file of a customer's certificate.
func (k *custom) encode() ([]byte, error) {
	chain, err := k.chain()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.cert.PrivateKey)
	if err != nil {
		return nil, err
	}
	return append(encodeCertificates(chain...), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...), nil
}

func (k *custom) chain() (chain []*x509.Certificate, err error) {
	for _, der := range k.cert.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		chain = append(chain, cert)
	}
	return chain, nil
}

func newCustom(chain []*x509.Certificate, key any) *custom {
	k := &custom{cert: &tls.Certificate{PrivateKey: key, Leaf: chain[0]}}
	sum := sha256.New()
	for _, cert := range chain {
		k.cert.Certificate = append(k.cert.Certificate, cert.Raw)
		sum.Write(cert.Raw)
	}
	k.version = hex.EncodeToString(sum.Sum(nil)[:8])
	return k
}

// soon is how long before its end a certificate is warned of.
const soon = 30 * 24 * time.Hour

// warnings are what clients may trip over.
func (k *custom) warnings(now time.Time, names subjects) (list []string) {
	leaf := k.cert.Leaf
	switch left := leaf.NotAfter.Sub(now); {
	case left < 0:
		list = append(list, fmt.Sprintf("the certificate that was set has expired on %s: clients refuse it. Set a new one, or remove it to go back to the site's own",
			leaf.NotAfter.UTC().Format(time.RFC3339)))
	case left < soon:
		list = append(list, fmt.Sprintf("the certificate that was set expires in %d days, on %s", days(left), leaf.NotAfter.UTC().Format(time.RFC3339)))
	}
	if now.Before(leaf.NotBefore) {
		list = append(list, fmt.Sprintf("the certificate that was set is valid from %s only, after the time of this machine's clock", leaf.NotBefore.UTC().Format(time.RFC3339)))
	}
	if leaf.PublicKeyAlgorithm == x509.Ed25519 {
		list = append(list, "the certificate that was set has an Ed25519 key, which browsers do not accept")
	}
	if missing := uncovered(leaf, names); len(missing) > 0 {
		list = append(list, "the certificate that was set is not for "+strings.Join(missing, ", ")+
			": clients that use these must trust the site's own authority, or use another name")
	}
	return list
}

// uncovered are the names and addresses that a certificate is not for, without
// those that only mean the client's own machine or link.
func uncovered(cert *x509.Certificate, names subjects) (missing []string) {
	for _, name := range names.names {
		local := name == "localhost" || strings.HasSuffix(name, ".local")
		if !local && cert.VerifyHostname(strings.Replace(name, "*.", "any.", 1)) != nil {
			missing = append(missing, name)
		}
	}
	for _, a := range names.addresses {
		if !a.IsLoopback() && !a.IsLinkLocalUnicast() && !slices.ContainsFunc(cert.IPAddresses, isAddress(a)) {
			missing = append(missing, a.String())
		}
	}
	return missing
}
