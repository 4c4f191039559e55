package auth

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/landfall-dev/landfall/registry"
)

// Right is one thing that can be done.
type Right = string

// The rights.
const (
	SystemRead      Right = "system.read"
	SystemWrite     Right = "system.write"
	ContentRead     Right = "content.read"
	ContentWrite    Right = "content.write"
	ContentDelete   Right = "content.delete"
	BundlesRead     Right = "bundles.read"
	BundlesWrite    Right = "bundles.write"
	UploadsWrite    Right = "uploads.write"
	JobsRead        Right = "jobs.read"
	JobsWrite       Right = "jobs.write"
	TrustRead       Right = "trust.read"
	TrustWrite      Right = "trust.write"
	HostsRead       Right = "hosts.read"
	HostsWrite      Right = "hosts.write" // link, rename and unlink them
	UsersRead       Right = "users.read"
	UsersWrite      Right = "users.write"
	TokensOwn       Right = "tokens.own"   // personal tokens for oneself
	TokensWrite     Right = "tokens.write" // robots
	AuditRead       Right = "audit.read"
	SettingsRead    Right = "settings.read"
	SettingsWrite   Right = "settings.write"
	MirrorsRead     Right = "mirrors.read"
	MirrorsWrite    Right = "mirrors.write"
	DiagnosticsRead Right = "diagnostics.read"
	MetricsRead     Right = "metrics.read"

	ClustersRead  Right = "clusters.read"
	ClustersWrite Right = "clusters.write" // form, upgrade, bring back, delete
	ClustersAdmin Right = "clusters.admin" // administrators' access to the clusters themselves

	DefinitionsRead  Right = "definitions.read"
	DefinitionsWrite Right = "definitions.write" // what the site says to their variables
)

// Rights is a set of rights.
type Rights uint32

// names are all rights, each at the place of its bit.
var names = []Right{
	SystemRead, SystemWrite, ContentRead, ContentWrite, ContentDelete, BundlesRead, BundlesWrite, UploadsWrite, JobsRead, JobsWrite,
	TrustRead, TrustWrite, HostsRead, UsersRead, UsersWrite, TokensOwn, TokensWrite, AuditRead, SettingsRead, SettingsWrite,
	MirrorsRead, MirrorsWrite, DiagnosticsRead, MetricsRead, DefinitionsRead, DefinitionsWrite, HostsWrite,
	ClustersRead, ClustersWrite, ClustersAdmin,
}

// AllRights lists every right.
func AllRights() []Right { return slices.Clone(names) }

// setOf is the set of some rights; names that are none do not count.
func setOf(list ...Right) (s Rights) {
	for _, r := range list {
		if i := slices.Index(names, r); i >= 0 {
			s |= 1 << i
		}
	}
	return s
}

// Has reports whether a right is in the set.
func (s Rights) Has(r Right) bool { return s&setOf(r) != 0 }

// List is the set's rights, in a fixed order.
func (s Rights) List() []Right {
	list := make([]Right, 0, bits.OnesCount32(uint32(s)))
	for i, r := range names {
		if s&(1<<i) != 0 {
			list = append(list, r)
		}
	}
	return list
}

// Role is a named set of rights.
type Role string

// The roles. NoRole is that of robots that have grants or single rights only.
const (
	NoRole   Role = ""
	Viewer   Role = "viewer"
	Operator Role = "operator"
	Admin    Role = "admin"
)

// Roles lists the roles of users, the least first.
func Roles() []Role { return []Role{Viewer, Operator, Admin} }

var (
	viewerRights   = setOf(SystemRead, ContentRead, BundlesRead, JobsRead, TrustRead, HostsRead, MirrorsRead, MetricsRead, TokensOwn, DefinitionsRead, ClustersRead)
	operatorRights = viewerRights | setOf(ContentWrite, BundlesWrite, UploadsWrite, JobsWrite, MirrorsWrite, DefinitionsWrite, HostsWrite, ClustersWrite)
	adminRights    = setOf(names...)

	// narrowRights are what is left to who is restricted to some repositories.
	narrowRights = setOf(SystemRead, ContentRead, TokensOwn)
)

// Rights are a role's.
func (r Role) Rights() Rights {
	switch r {
	case Viewer:
		return viewerRights
	case Operator:
		return operatorRights
	case Admin:
		return adminRights
	}
	return 0
}

func (r Role) check() error {
	if !slices.Contains(Roles(), r) {
		return fmt.Errorf("%w: role %q (viewer, operator, admin)", registry.ErrInvalid, string(r))
	}
	return nil
}

func checkRights(list []Right) error {
	for _, r := range list {
		if !slices.Contains(names, r) {
			return fmt.Errorf("%w: there is no right %q", registry.ErrInvalid, r)
		}
	}
	return nil
}
