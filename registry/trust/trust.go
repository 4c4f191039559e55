// Package trust decides who may bring content to a site. It is data and functions
// that read at most what they judge: keys, how one takes another's place, and signatures; the policy that
// an operator writes; the judgement of one bundle by policy, earlier bundles and
// clock, and of an image by its signatures. Where any of it is kept, and what is
// done with a judgement, is elsewhere.
//
// Nouns. A key is a public key that somebody owns; its id is made from it. A
// channel is a line of bundles that follow each other, "stable" or
// "plant-7/nightly"; a sequence is a bundle's place in its channel. A statement
// is what a bundle says of itself and its signers vouch for. The state is what a
// site remembers: how far each channel is, and the newest time that it has seen.
package trust

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/match"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
)

// Policy says whose signatures count. The zero Policy asks for nothing.
type Policy struct {
	keys     []TrustedKey
	bundles  []bundleRule
	images   []imageRule
	unsigned bool // bundles that match no rule and have no signature are let in
	pushes   bool // what comes through the registry's own protocol is let in
	set      bool
}

// TrustedKey is a key with what its owner may do.
type TrustedKey struct {
	Key
	Owner     string
	NotBefore time.Time // zero: from ever
	NotAfter  time.Time // zero: for ever
	Revoked   *Revocation
	channels  []match.Glob // of bundles that it may sign
}

// Revocation says since when nothing that a key signed counts, whenever it was
// signed, and why.
type Revocation struct {
	Since  time.Time
	Reason string
}

// bundleRule is what the bundles of some channels need.
type bundleRule struct {
	channel    match.Glob
	signatures int           // of different keys
	maxAge     time.Duration // 0: any
	rollback   bool          // lower sequences are let in
}

// imageRule is whose signatures the images of some repositories need.
type imageRule struct {
	repositories []match.Glob
	keys         []string // ids
	require      bool     // what has none is not let in
}

// Set reports whether an operator has written the policy.
func (p *Policy) Set() bool { return p.set }

// Pushes reports whether the registry's own protocol may bring content.
func (p *Policy) Pushes() bool { return !p.set || p.pushes }

// Keys are the keys of the policy.
func (p *Policy) Keys() []TrustedKey { return slices.Clone(p.keys) }

// Key returns the key of an id, nil when the policy has none.
func (p *Policy) Key(id string) *TrustedKey {
	for i := range p.keys {
		if p.keys[i].ID() == id {
			return &p.keys[i]
		}
	}
	return nil
}

// rule is the first that matches a channel; without one a single signature does.
func (p *Policy) rule(channel string) bundleRule {
	for _, r := range p.bundles {
		if r.channel.Match(channel) {
			return r
		}
	}
	return bundleRule{signatures: 1}
}

// hasRule reports whether a rule matches a channel: its bundles need signatures,
// whatever is allowed without.
func (p *Policy) hasRule(channel string) bool {
	return slices.ContainsFunc(p.bundles, func(r bundleRule) bool { return r.channel.Match(channel) })
}

// usable tells why nothing that the key has signed counts at a time; nil when it
// does.
func (k *TrustedKey) usable(now time.Time) error {
	switch {
	case k.Revoked != nil && !now.Before(k.Revoked.Since):
		return fmt.Errorf("was revoked on %s: %s", day(k.Revoked.Since), k.Revoked.Reason)
	case !k.NotAfter.IsZero() && now.After(k.NotAfter):
		return fmt.Errorf("has expired on %s", day(k.NotAfter))
	case now.Before(k.NotBefore):
		return fmt.Errorf("is valid from %s on", day(k.NotBefore))
	}
	return nil
}

// maySign tells why a key may not sign a bundle of a channel that was made at a
// time; nil when it may. now is the latest time that is certain, and not before
// created.
func (k *TrustedKey) maySign(channel string, created, now time.Time) error {
	if err := k.usable(now); err != nil {
		return err
	}
	switch {
	case created.Before(k.NotBefore):
		return fmt.Errorf("is valid from %s on, the bundle is of %s", day(k.NotBefore), day(created))
	case !slices.ContainsFunc(k.channels, func(g match.Glob) bool { return g.Match(channel) }):
		return fmt.Errorf("may not sign for %s", channelText(channel))
	}
	return nil
}

func (k *TrustedKey) String() string { return fmt.Sprintf("key %s of %s", k.ID(), k.Owner) }

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func channelText(channel string) string {
	if channel == "" {
		return "bundles without a channel"
	}
	return "channel " + channel
}

var channelGrammar = regexp.MustCompile(`\A[a-z0-9]+([._-][a-z0-9]+)*(/[a-z0-9]+([._-][a-z0-9]+)*)*\z`)

// maxChannel bounds a channel's name, in bytes.
const maxChannel = 100

// CheckChannel is ErrInvalid for what is no channel: lower-case letters, digits
// and separators (. _ -) between them, in elements between slashes.
func CheckChannel(name string) error {
	if len(name) > maxChannel || !channelGrammar.MatchString(name) {
		return fmt.Errorf("%w: channel %.100q: want lower-case letters, digits, and . _ - / between them, at most %d bytes", registry.ErrInvalid, name, maxChannel)
	}
	return nil
}

// lasts says a time span for people.
func lasts(d time.Duration) string { return strings.TrimSuffix(units.Ago(d), " ago") }
