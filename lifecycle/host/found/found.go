// Package found is how machines on a site's networks find each other: an appliance says
// where hosts can link, hosts that are not linked say that they are there, and either can
// look for the other. It speaks multicast DNS (RFC 6762, RFC 6763), and only on networks
// that machines are on: what it is asked from elsewhere it does not answer.
//
// Anybody on a network can say anything. What is found is a hint, for whom to ask; who it
// is has to be proven by whoever asks, as package lifecycle/host/link does.
//
// Nouns. A service is what is announced: its kind, a name for people, a port, and texts.
// An entry is a service as it was found, with the addresses at which it answered.
package found

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/landfall-dev/landfall/registry"
)

// Kind is what a service is.
type Kind string

// The kinds.
const (
	// Appliance is one that hosts can link to, at its port. Its texts are Site, Authority
	// and Version.
	Appliance Kind = "_landfall._tcp"
	// Host is a machine with an agent that is not linked. It listens nowhere: its port is
	// 0. Its texts are Name, Machine and Version.
	Host Kind = "_landfall-host._tcp"
)

// Texts of services.
const (
	Site      = "site"      // the site's id
	Authority = "authority" // a hash of the site's authority, as tokens carry it
	Version   = "version"   // of the program
	Name      = "name"      // that the host would have
	Machine   = "machine"   // the host's machine id
)

// Bounds of services, in bytes: those of labels and of texts in DNS.
const (
	maxName = 63
	maxText = 255
)

// Service is what is announced.
type Service struct {
	Kind Kind
	// Name is what people see, and what tells services of a kind apart: no two machines
	// may have the same. At most 63 bytes of UTF-8.
	Name string
	// Port is a TCP port; 0 when nobody listens.
	Port int
	// Text is what is told of it. A key, = and its value have at most 255 bytes together.
	Text map[string]string
}

// Entry is a service that was found.
type Entry struct {
	Service
	Addresses []netip.Addr // at which it may answer; with their zone where they need one
}

// check is an error for a service that cannot be announced.
func (s Service) check() error {
	switch {
	case s.Kind != Appliance && s.Kind != Host:
		return fmt.Errorf("%w: there is no kind of service %q", registry.ErrInvalid, s.Kind)
	case s.Name == "" || len(s.Name) > maxName || !utf8.ValidString(s.Name):
		return fmt.Errorf("%w: the name of a service, %q: want 1 to %d bytes of UTF-8", registry.ErrInvalid, s.Name, maxName)
	case s.Port < 0 || s.Port > 1<<16-1:
		return fmt.Errorf("%w: service %s: there is no port %d", registry.ErrInvalid, s.Name, s.Port)
	}
	for key, value := range s.Text {
		if key == "" || strings.Contains(key, "=") || len(key)+1+len(value) > maxText {
			return fmt.Errorf("%w: service %s: text %q is too long, or its key has a =", registry.ErrInvalid, s.Name, key)
		}
	}
	return nil
}

// Bounds of looking.
const (
	defaultFor = 3 * time.Second
	maxEntries = 256
)
