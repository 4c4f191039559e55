// Package certs is the appliance's side of TLS: an authority of the site's own,
// the short-lived leaf that it gives this machine, and a customer's certificate
// in their place where one was set. It serves nothing itself, does not decide
// which addresses speak HTTPS, and asks nobody outside the site.
//
// The authority is made at first use and kept for ten years. Hosts trust it, so it
// is never replaced by itself: what cannot be read is an error that names the file.
// The leaf is for all addresses and names of the machine. It lives in memory only:
// each start makes a new one, so no crash can leave a key beside the wrong
// certificate, and no full disk can stop a renewal.
//
// Clocks at a site may be wrong, and trust must not end with them:
//   - The authority is valid from 1970 on, and for ten years from its making or from
//     this release's, whichever is later.
//   - A leaf is valid from a year before its making until 30 days after it, so that
//     hosts may be behind by a year, or ahead by ten days at least. It is renewed
//     after 20 days, when the clock is set back, and when names or addresses change;
//     each handshake looks whether its time has come, so a jump needs no waiting.
//   - When the clock is certainly wrong (it says a time before this release was made,
//     or after the authority's end), a leaf is valid as long as the authority: hosts
//     with the right time accept it too. It is replaced as soon as the clock is right.
package certs

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/ui/audit"
)

// The folder:
//
//	ca.key      the authority's private key; PKCS #8; mode 0600
//	ca.pem      its certificate, for hosts to trust
//	custom.pem  the customer's chain, server first, and its key; mode 0600
//
// Each file is replaced as a whole. The key is written first: without ca.pem
// nobody can have come to trust it, so a crash between the two is told from damage.
const (
	authorityKeyFile = "ca.key"
	authorityFile    = "ca.pem"
	customFile       = "custom.pem"
)

// Options of a site's certificates. The zero value is the default.
type Options struct {
	// Names are further names and addresses that the own leaf is for, like those
	// of a load balancer before this machine. A name may begin with "*.".
	Names []string
	// Log gets renewals and, once a day, what Status warns of. Nil for silence.
	Log *slog.Logger
	// Audit gets an entry for each change of the customer's certificate. Nil for none.
	Audit Auditor
	// Now is the clock. Nil for the machine's.
	Now func() time.Time
	// Host tells what the machine is called and where it answers. Nil asks the machine.
	Host func() (Host, error)
}

// Auditor takes entries of the audit log; an *audit.Log is one.
type Auditor interface {
	Note(ctx context.Context, e audit.Entry) error
}

// Certs are the certificates of one appliance. What handshakes get is replaced as
// a whole; connections that are open go on as they were.
type Certs struct {
	dir       string
	log       *slog.Logger
	audit     Auditor
	clock     func() time.Time
	host      func() (Host, error)
	authority *authority

	changing sync.Mutex // one change at a time; protects the two below, and the files
	extra    []string
	machine  Host // as last seen

	state atomic.Pointer[state]
}

// state is what handshakes see.
type state struct {
	own     *leaf
	custom  *custom // nil: none
	damaged error   // why a customer's certificate that was set is not served
}

// Open reads the certificates in a folder, and makes what is not there yet. The
// folder belongs to one process at a time: the data folder's lock sees to it.
func Open(dir string, opts Options) (*Certs, error) {
	c := &Certs{dir: dir, log: opts.Log, audit: opts.Audit, clock: opts.Now, host: opts.Host, extra: opts.Names}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.clock == nil {
		c.clock = time.Now
	}
	if c.host == nil {
		c.host = machine
	}
	if err := checkNames(opts.Names); err != nil {
		return nil, err
	}
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := removeRests(dir); err != nil {
		return nil, err
	}
	var err error
	if c.authority, err = openAuthority(dir, c.now(), c.log); err != nil {
		return nil, err
	}
	first := &state{}
	if first.custom, first.damaged = readCustom(c.customPath()); first.damaged != nil {
		c.log.Error("the customer's certificate is not served", "error", first.damaged)
	}
	c.state.Store(first)
	if err := c.refresh(); err != nil {
		return nil, err
	}
	return c, nil
}

// removeRests removes what a crash left of files that were being written: they
// may hold private keys.
func removeRests(dir string) error {
	for _, name := range []string{authorityKeyFile, authorityFile, customFile} {
		rests, err := filepath.Glob(filepath.Join(dir, "."+name+".*"))
		if err != nil {
			return err
		}
		for _, path := range rests {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Certs) customPath() string { return filepath.Join(c.dir, customFile) }

// now is the wall clock's time: the monotonic reading would hide jumps.
func (c *Certs) now() time.Time { return c.clock().Round(0) }

// Fingerprint is the SHA-256 of the authority's certificate, in pairs of
// hexadecimal digits with colons, for people to compare.
func (c *Certs) Fingerprint() string { return fingerprint(c.authority.cert) }

// CAPEM is the authority's certificate, for hosts to trust.
func (c *Certs) CAPEM() []byte { return encodeCertificates(c.authority.cert) }

// SetNames replaces Options.Names.
func (c *Certs) SetNames(names []string) error {
	if err := checkNames(names); err != nil {
		return err
	}
	c.changing.Lock()
	c.extra = names
	c.changing.Unlock()
	return c.refresh()
}

// pollEvery is how often addresses and names of the machine are looked at.
const pollEvery = 30 * time.Second

// warnEvery is how often the log repeats what Status warns of.
const warnEvery = 24 * time.Hour

// Keep follows the machine's addresses and names and renews the leaf until ctx ends.
func (c *Certs) Keep(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for beat := 0; ; beat++ {
		if err := c.refresh(); err != nil {
			c.log.Error("the site's certificate was not renewed", "error", err)
		}
		if beat%int(warnEvery/pollEvery) == 0 {
			for _, text := range c.Status().Warnings {
				c.log.Warn("certificates: " + text)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// refresh looks at the machine and replaces the leaf if its time has come.
func (c *Certs) refresh() error {
	host, err := c.host()
	c.changing.Lock()
	defer c.changing.Unlock()
	if err != nil { // what was known is better than nothing
		c.log.Warn("the machine's addresses are not known", "error", err)
	} else {
		c.machine = host
	}
	return c.renew()
}

// renew replaces the leaf if its time has come; changing is held.
func (c *Certs) renew() error {
	now, names := c.now(), namesOf(c.machine, c.extra)
	s := c.state.Load()
	why := s.own.due(now)
	if why == "" && !s.own.names.equal(names) {
		why = "names or addresses of this machine have changed"
	}
	if why == "" {
		return nil
	}
	own, err := c.authority.issue(names, now)
	if err != nil {
		return fmt.Errorf("make a certificate for %s: %w", names, err)
	}
	c.state.Store(&state{own: own, custom: s.custom, damaged: s.damaged})
	c.log.Info("made a certificate", "reason", why, "names", names.String(), "until", own.cert.Leaf.NotAfter)
	return nil
}

// present is the state with a leaf for the time being.
func (c *Certs) present() *state {
	s := c.state.Load()
	if s.own.due(c.now()) == "" {
		return s
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	if err := c.renew(); err != nil {
		c.log.Error("the site's certificate was not renewed", "error", err)
	}
	return c.state.Load()
}
