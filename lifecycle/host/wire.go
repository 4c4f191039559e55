package host

import "time"

// What agents ask their appliance, over HTTPS with certificates of the site's authority
// on both sides, except where it says otherwise. The appliance never calls an agent, so
// that hosts may change their addresses and be behind others. Bodies are JSON; errors
// are problems as the management API has them.
//
//	GET  /agent/v1/authority  without a certificate: the site's authority, PEM
//	POST /agent/v1/link       without a certificate: LinkRequest → Linked
//	POST /agent/v1/renew      RenewRequest → Linked
//	PUT  /agent/v1/inventory  Inventory
//	GET  /agent/v1/work       → Work: answers when there is some, or after PollFor
//	PUT  /agent/v1/results    Result: a sign of life while it runs, and its end
//	POST /agent/v1/unlink     the host takes itself out
//	PUT  /agent/v1/files/ID   bytes that the appliance expects from this host
//	GET  /agent/v1/files/ID   bytes that it has for this host
//
// An agent does the operations of one Work at the same time, keeps what it knows of each
// in its journal, and reports an end until the appliance has taken it. An operation is
// in each Work until its end was reported.
const (
	PathAuthority = "/agent/v1/authority"
	PathLink      = "/agent/v1/link"
	PathRenew     = "/agent/v1/renew"
	PathInventory = "/agent/v1/inventory"
	PathWork      = "/agent/v1/work"
	PathResults   = "/agent/v1/results"
	PathUnlink    = "/agent/v1/unlink"
	PathFiles     = "/agent/v1/files/"
)

// PollFor is for how long the appliance lets an agent wait for work.
const PollFor = 25 * time.Second

// LinkRequest is how a host introduces itself, over a connection whose authority it has
// proven with the token.
type LinkRequest struct {
	Token     string    `json:"token"`   // id and secret, without the authority's hash
	Name      string    `json:"name"`    // that the host wants; a DNS label
	Request   []byte    `json:"request"` // PKCS #10, DER
	Version   string    `json:"version"`
	Inventory Inventory `json:"inventory"`
}

// RenewRequest asks for the next certificate.
type RenewRequest struct {
	Request []byte `json:"request"` // PKCS #10, DER
}

// Linked is what a host needs to call its appliance.
type Linked struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Certificate []byte    `json:"certificate"` // PEM
	Authority   []byte    `json:"authority"`   // PEM
	Expires     time.Time `json:"expires"`
	Registry    string    `json:"registry"` // https://HOST:PORT of the appliance's registry, as this host reaches it
	Site        string    `json:"site"`     // the site's id
}

// Work is what a host has to do.
type Work struct {
	Ops  []Op      `json:"ops"`
	Now  time.Time `json:"now"`            // by the appliance's clock
	Gone bool      `json:"gone,omitempty"` // the host was unlinked: it cleans up, and forgets its certificate
}
