// Package settings decides how an appliance is set up. One table says which
// fields there are, what each means, what it is without anybody's word, and who
// may say otherwise; from it come the file's grammar, the variables, the flags,
// the documentation and the schema. It applies nothing: whoever serves reads a
// Config and is told when it changes.
//
// Nouns. A field has a dotted name, registry.anonymousPull, and a value that
// people write as text. Its origin is where the value in force comes from: a flag
// counts before a variable of the environment, that before the file, and that
// before the default. A setting is a value that an administrator changed while
// the appliance ran; it counts where nobody but the default has spoken.
package settings

import (
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// Config is how an appliance is set up. A size is in bytes; a size or time of 0
// means what the field's text says of 0, mostly none.
type Config struct {
	Data      string   // folder of the store
	Listen    []Listen // at least one
	PlainHTTP bool     // allowed beyond loopback
	Mirror    string   // a mirror.yaml; empty: there are no mirrors
	Site      Site
	TLS       TLS
	Log       Log
	Trace     Trace
	Metrics   Metrics
	Registry  Registry
	Store     Store
	Auth      Auth
	Uploads   Uploads
	Media     Media
	Jobs      Jobs

	Definitions Definitions
	Hosts       Hosts
}

// Site is what people see of the site.
type Site struct {
	Name   string // shown in the title; empty: none
	Banner string // shown before signing in; may have several lines
}

// TLS is how the appliance proves itself.
type TLS struct {
	Names []string // host names and addresses for its certificate, besides the host's own
}

// Log is how the appliance logs.
type Log struct {
	Format   string // text or json
	Level    slog.Level
	Requests bool // at level info
}

// Trace is where traces go.
type Trace struct {
	Endpoint string // of an OTLP/HTTP collector; empty: nowhere
}

// Metrics is where metrics are read.
type Metrics struct {
	Listen Listen // zero: on the main addresses, behind authorisation
}

// Registry is how the registry answers.
type Registry struct {
	AnonymousPull    bool
	AcceptIncomplete bool // manifests whose layers were not pushed
}

// Store is how the store keeps itself in order. A Lease or Trash of 0 is none,
// which a store's own options write as less than 0.
type Store struct {
	Lease        time.Duration
	Trash        time.Duration
	ScrubRate    int64 // bytes per second; 0: no scrub
	ScrubEvery   time.Duration
	CollectEvery time.Duration // 0: on demand only
}

// Auth is how people sign in.
type Auth struct {
	Open            bool          // nobody is asked; on loopback only
	SessionIdle     time.Duration // a session that rests ends then
	SessionLifetime time.Duration // and any session then
	OIDC            OIDC
}

// OIDC is an identity provider; without an issuer there is none.
type OIDC struct {
	Issuer           string
	ClientID         string
	ClientSecretFile string // empty: a public client
	CAFile           string // empty: the machine's certificates only
	BaseURL          string // where browsers reach the appliance; empty: as the request says
	Scopes           []string
	NameClaim        string
	GroupsClaim      string
	AdminGroups      []string
	OperatorGroups   []string
	ViewerGroups     []string
}

// Uploads is what uploads may take.
type Uploads struct {
	Quota        int64         // of all together; 0: the disk is the limit
	PerUserQuota int64         // 0: as Quota
	KeepFree     int64         // left on the disk
	Expiry       time.Duration // of unfinished ones
	KeepWhole    time.Duration // of those that nothing is done with
}

// How drives are mounted and their bundles imported.
const (
	MountAuto    = "auto"   // the appliance mounts what it can
	MountNever   = "never"  // it looks at what others have mounted
	ImportManual = "manual" // somebody has to say so
	ImportSigned = "signed" // at once when a trusted key has signed it
)

// Media is what happens to drives.
type Media struct {
	Watch        bool
	Folders      []string // that are looked into like drives
	Devices      []string // that count as drives, as in path.Match
	Mount        string   // MountAuto, MountNever
	ImportPolicy string   // ImportManual, ImportSigned
}

// Definitions is how cluster definitions are checked.
type Definitions struct {
	Platforms []string // os/architecture[/variant] of the site's hosts; none: all of a definition's
}

// Hosts is how hosts link to the appliance.
type Hosts struct {
	Listen   string // HOST:PORT; the host may be empty, the port 0; empty: no hosts are managed
	Announce bool   // by mDNS
}

// Jobs is what is kept of jobs.
type Jobs struct {
	History time.Duration // for so long what has ended is remembered
}

// Listen is an address to answer on.
type Listen struct {
	Address string // host:port; the host may be empty, the port 0
	TLS     bool
}

// String is the address with its scheme; empty for none.
func (l Listen) String() string {
	switch {
	case l.Address == "":
		return ""
	case l.TLS:
		return "https://" + l.Address
	}
	return "http://" + l.Address
}

// Loopback reports whether only the machine itself can reach the address.
func (l Listen) Loopback() bool {
	host, _, err := net.SplitHostPort(l.Address)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// Defaults is the Config when nobody says anything.
func Defaults() Config {
	e, err := Load(Sources{})
	if err != nil {
		panic(err) // the table is wrong; tests would say so
	}
	return e.Config
}
