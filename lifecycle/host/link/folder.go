package link

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// The folder of a link:
//
//	host.key   the host's private key; SEC 1, PEM; made once; mode 0600
//	link.json  all that the appliance has answered, and where it is: a record; mode 0600
//
// Each file is replaced as a whole. The key is first: a link that was answered but not
// written down is asked for again with the same key, and is then the same link.
const (
	keyFile  = "host.key"
	linkFile = "link.json"
)

// record is a link as its folder has it.
type record struct {
	host.Linked
	Servers []string  `json:"servers"` // the one that answered last is the first
	Made    time.Time `json:"made"`    // when the certificate came, by the appliance's clock
}

// lock keeps others from linking the same host at the same time.
func lock(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	free, err := durable.Lock(f)
	if err == nil && !free {
		err = fmt.Errorf("%w: this host is being linked already", registry.ErrConflict)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return func() { _ = durable.Unlock(f); f.Close() }, nil
}

// ownKey reads the key of a host that is not linked, and makes it where there is none. What a
// crash has left of writing it before is removed, since it may be a key.
func ownKey(dir string) (*ecdsa.PrivateKey, error) {
	for _, name := range []string{keyFile, linkFile} {
		rests, err := filepath.Glob(filepath.Join(dir, "."+name+".*"))
		if err != nil {
			return nil, err
		}
		for _, path := range rests {
			if err := os.Remove(path); err != nil {
				return nil, err
			}
		}
	}
	path := filepath.Join(dir, keyFile)
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	}
	return key, err
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(content)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, damaged(path, errors.New("it is not one key"))
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, damaged(path, err)
	}
	return key, nil
}

func damaged(path string, err error) error {
	return fmt.Errorf("%s: %w: %w: remove it, and link the host again", path, registry.ErrInvalid, err)
}

func makeKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, durable.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

// Open opens the link of a folder with the default settings. ErrNotFound when the host is
// not linked; ErrInvalid when the folder is damaged.
func Open(dir string) (*Client, error) { return OpenWith(dir, Settings{}) }

// OpenWith is Open with settings.
func OpenWith(dir string, s Settings) (*Client, error) {
	path := filepath.Join(dir, linkFile)
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w: this host is not linked: 'landfall host token' at the appliance says how", dir, registry.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(content, &r); err != nil {
		return nil, damaged(path, err)
	}
	key, err := readKey(filepath.Join(dir, keyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, damaged(path, errors.New(keyFile+" is not there, without which it is of no use"))
	}
	if err != nil {
		return nil, err
	}
	if err := r.check(key); err != nil {
		return nil, damaged(path, err)
	}
	c := newClient(dir, key, s.complete())
	c.record = r
	return c, nil
}

// check is an error for a record that is of no use with a key.
func (r *record) check(key *ecdsa.PrivateKey) error {
	cert, err := parseCertificate(r.Certificate)
	if err != nil {
		return fmt.Errorf("the host's certificate: %w", err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return errors.New("the host's certificate is for another key than " + keyFile)
	}
	authority, err := parseCertificate(r.Authority)
	if err != nil {
		return fmt.Errorf("the authority: %w", err)
	}
	if cert.CheckSignatureFrom(authority) != nil {
		return errors.New("the host's certificate is not signed by the authority")
	}
	if r.ID == "" || r.Name == "" || len(r.Servers) == 0 {
		return errors.New("the host's id, its name or the appliance's address is missing")
	}
	return nil
}

func parseCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%w: it is no certificate", registry.ErrInvalid)
	}
	return x509.ParseCertificate(block.Bytes)
}

// keep notes durably what the appliance has answered, and uses it from then on.
func (c *Client) keep(linked host.Linked) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := record{linked, c.record.Servers, c.now()}
	if err := next.check(c.key); err != nil {
		return fmt.Errorf("%w: what the appliance has answered is of no use: %w", registry.ErrInvalid, err)
	}
	before, err := parseCertificate(c.record.Authority)
	if err != nil {
		return err
	}
	if after, err := parseCertificate(linked.Authority); err != nil || HashOf(after) != HashOf(before) {
		return fmt.Errorf("%w: the appliance has answered with another authority than its own", registry.ErrUntrusted)
	}
	if err := c.write(next); err != nil {
		return err
	}
	c.http.CloseIdleConnections() // they have shown the certificate before
	return nil
}

// write replaces the record; mu is held.
func (c *Client) write(next record) error {
	if c.forgotten {
		return nil
	}
	content, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(c.dir, linkFile), append(content, '\n'), 0o600); err != nil {
		return registry.DiskError(err)
	}
	c.record = next
	return nil
}

// Forget takes the proof away: the host is not linked any more. The appliance is not told.
func (c *Client) Forget() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgotten = true
	c.http.CloseIdleConnections()
	for _, name := range []string{linkFile, keyFile} { // without the first there is no link
		if err := os.Remove(filepath.Join(c.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return durable.SyncDir(c.dir)
}
