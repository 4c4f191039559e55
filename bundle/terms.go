package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// Terms are what a bundle says beyond what it carries: since FormatTerms it can
// belong to a channel, end, be signed, and leave out what is at the site. See
// FORMAT.md, section 8.

// Loose is content that belongs to repositories without a name that reaches it.
type Loose struct {
	Digest       digest.Digest `json:"digest"`
	Repositories []string      `json:"repositories"` // ascending
}

// CreateOptions says how a bundle is made. The zero value is the default: a
// plain bundle, which needs nothing at the site.
type CreateOptions struct {
	// Created is the time that the header states; now when zero.
	Created time.Time
	// Channel is the line of bundles that it belongs to; none when empty.
	Channel string
	// Sequence is its place in the channel, 1 or more; the seconds of Created
	// since 1970 when 0.
	Sequence int64
	// Lasts is for how long after Created the bundle may be let in; always when 0.
	Lasts time.Duration
	// Keys sign it.
	Keys []*trust.PrivateKey
	// Have is what the site has, and the bundle can do without; nil: nothing.
	Have func(digest.Digest) bool
	// For is the id of the site that Have is of; it may be empty.
	For string
	// Platforms are what of indexes belongs to the bundle; all when empty. The
	// graph was walked with the same.
	Platforms []registry.Platform
}

func (o *CreateOptions) hasTerms() bool {
	return o.Channel != "" || o.Sequence != 0 || o.Lasts != 0 || len(o.Keys) > 0 || o.Have != nil || o.For != ""
}

// withDefaults fills in what depends on the time, and refuses what cannot be.
func (o CreateOptions) withDefaults() (CreateOptions, error) {
	if o.Created.IsZero() {
		o.Created = time.Now()
	}
	if o.Channel != "" {
		if err := trust.CheckChannel(o.Channel); err != nil {
			return o, err
		}
	}
	if o.Sequence < 0 || o.Lasts < 0 {
		return o, fmt.Errorf("%w: sequence %d, lasting %s: neither can be below 0", registry.ErrInvalid, o.Sequence, o.Lasts)
	}
	return o, nil
}

// setTerms fills in what only FormatTerms has.
func (h *Header) setTerms(g, carried *registry.Graph, opts CreateOptions) {
	h.Format, h.Channel, h.For = FormatTerms, opts.Channel, opts.For
	if opts.Lasts > 0 {
		h.Expires = timeText(opts.Created.Add(opts.Lasts))
	}
	if len(g.Names) > 0 {
		h.Sequence = cmp.Or(opts.Sequence, max(1, opts.Created.Unix()))
	} else {
		h.Loose = looseOf(carried)
	}
	for _, p := range opts.Platforms {
		h.Platforms = append(h.Platforms, registry.PlatformString(p))
	}
	slices.Sort(h.Platforms)
	h.Platforms = slices.Compact(h.Platforms)
	h.Absent = absentOf(g)
	nodes := map[digest.Digest]*registry.Manifest{}
	for _, n := range carried.Manifests {
		nodes[n.Descriptor.Digest] = n.Manifest
	}
	h.Requires = h.needed(nodes)
}

// looseOf lists content that no name reaches.
func looseOf(g *registry.Graph) (list []Loose) {
	for _, n := range slices.Concat(g.Manifests, g.Blobs) {
		list = append(list, Loose{n.Descriptor.Digest, n.Repositories})
	}
	slices.SortFunc(list, func(a, b Loose) int { return cmp.Compare(a.Digest, b.Digest) })
	return list
}

// absentOf lists the children that a graph's source was without.
func absentOf(g *registry.Graph) (list []digest.Digest) {
	if len(g.Names) == 0 {
		return nil // nothing is followed
	}
	there := map[digest.Digest]bool{}
	for _, n := range g.Manifests {
		there[n.Descriptor.Digest] = true
	}
	for _, n := range g.Manifests {
		for _, c := range n.Manifest.Children {
			if !there[c.Digest] {
				list = append(list, c.Digest)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// needed is what the carried manifests name and the bundle is without: blobs,
// and children that belong to it. Children of a loose index need not be there.
func (h *Header) needed(manifests map[digest.Digest]*registry.Manifest) (list []digest.Digest) {
	carried := h.carried()
	loose, platforms := h.looseByDigest(), h.platforms()
	for d, m := range manifests {
		for _, b := range m.Blobs {
			if !carried[b.Digest] {
				list = append(list, b.Digest)
			}
		}
		if _, isLoose := loose[d]; isLoose {
			continue
		}
		for _, c := range registry.SelectChildren(m.Children, platforms) {
			if !carried[c.Digest] && !h.isAbsent(c.Digest) {
				list = append(list, c.Digest)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// carried is the set of all content in the bundle.
func (h *Header) carried() map[digest.Digest]bool {
	set := make(map[digest.Digest]bool, len(h.Blobs)+len(h.Manifests))
	for _, e := range h.places() {
		set[e.digest] = true
	}
	return set
}

func (h *Header) looseByDigest() map[digest.Digest][]string {
	m := make(map[digest.Digest][]string, len(h.Loose))
	for _, l := range h.Loose {
		m[l.Digest] = l.Repositories
	}
	return m
}

func (h *Header) requires(d digest.Digest) bool {
	_, found := slices.BinarySearch(h.Requires, d)
	return found
}

func (h *Header) isAbsent(d digest.Digest) bool {
	_, found := slices.BinarySearch(h.Absent, d)
	return found
}

// platforms parses what checkTerms has proven.
func (h *Header) platforms() (list []registry.Platform) {
	for _, text := range h.Platforms {
		p, err := registry.ParsePlatform(text)
		if err == nil {
			list = append(list, p)
		}
	}
	return list
}

// Thin reports whether the bundle needs content that is at the site.
func (h *Header) Thin() bool {
	if len(h.Requires) > 0 {
		return true
	}
	carried := h.carried()
	return slices.ContainsFunc(h.Names, func(n Name) bool { return !carried[n.Digest] })
}

// Statement is what the signers of the header vouch for.
func (h *Header) Statement() trust.Statement {
	s := trust.Statement{ID: h.ID, Channel: h.Channel, Sequence: h.Sequence}
	s.Created, _ = parseTime(h.Created) // both were checked
	if h.Expires != "" {
		s.Expires, _ = parseTime(h.Expires)
	}
	return s
}

// identifyTerms adds what distinguishes thin bundles to their identity.
func (h *Header) identifyTerms(to io.Writer) {
	for _, l := range h.Loose {
		fmt.Fprintf(to, "loose %s %s\n", l.Digest, strings.Join(l.Repositories, " "))
	}
	for _, p := range h.Platforms {
		fmt.Fprintf(to, "platform %s\n", p)
	}
	for _, d := range h.Absent {
		fmt.Fprintf(to, "absent %s\n", d)
	}
	for _, d := range h.Requires {
		fmt.Fprintf(to, "requires %s\n", d)
	}
}

// checkTerms proves the members that only FormatTerms has, as far as the header
// alone shows them.
func (h *Header) checkTerms() error {
	if h.Format == FormatPlain {
		if h.Absent != nil || h.Channel != "" || h.Expires != "" || h.For != "" || h.Loose != nil || h.Platforms != nil || h.Requires != nil || h.Sequence != 0 {
			return fmt.Errorf("it has members that format version %d does not have", FormatPlain)
		}
		return nil
	}
	if h.Channel != "" {
		if err := trust.CheckChannel(h.Channel); err != nil {
			return err
		}
	}
	if h.Expires != "" {
		if _, err := parseTime(h.Expires); err != nil {
			return fmt.Errorf("expires %w", err)
		}
	}
	if h.For != "" && !isID(h.For) {
		return fmt.Errorf("for %q is not the id of a site", h.For)
	}
	if h.Sequence < 0 || h.Sequence >= 1<<53 || (h.Sequence == 0) != (len(h.Names) == 0) {
		return fmt.Errorf("sequence %d of a bundle of %d names", h.Sequence, len(h.Names))
	}
	if len(h.Names) > 0 && h.Loose != nil {
		return errors.New("it has names and loose content")
	}
	return cmp.Or(h.checkPlatforms(), h.checkDigests(), h.checkLoose())
}

func (h *Header) checkPlatforms() error {
	for _, text := range h.Platforms {
		if p, err := registry.ParsePlatform(text); err != nil || registry.PlatformString(p) != text {
			return fmt.Errorf("platform %q is not in canonical form", text)
		}
	}
	if !ascending(h.Platforms) {
		return errors.New("platforms are out of order or listed twice")
	}
	return nil
}

// checkDigests proves the lists of what is not in the bundle.
func (h *Header) checkDigests() error {
	carried := h.carried()
	for what, list := range map[string][]digest.Digest{"absent": h.Absent, "requires": h.Requires} {
		if !ascending(list) {
			return fmt.Errorf("%s is out of order or lists something twice", what)
		}
		for _, d := range list {
			if _, err := registry.ParseDigest(d.String()); err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			if carried[d] {
				return fmt.Errorf("%s: %s is in the bundle", what, d)
			}
		}
	}
	for _, d := range h.Requires {
		if h.isAbsent(d) {
			return fmt.Errorf("%s is required and absent", d)
		}
	}
	return nil
}

func (h *Header) checkLoose() error {
	carried := map[digest.Digest]*Manifest{}
	for _, b := range h.Blobs {
		carried[b.Digest] = nil
	}
	for i, m := range h.Manifests {
		carried[m.Digest] = &h.Manifests[i]
	}
	for i, l := range h.Loose {
		m, known := carried[l.Digest]
		switch {
		case !known:
			return fmt.Errorf("loose: %s is not in the bundle", l.Digest)
		case i > 0 && h.Loose[i-1].Digest >= l.Digest:
			return errors.New("loose is out of order or lists something twice")
		case len(l.Repositories) == 0 || !ascending(l.Repositories):
			return fmt.Errorf("loose: %s: repositories are missing or out of order", l.Digest)
		case m != nil && !slices.Equal(m.Repositories, l.Repositories):
			return fmt.Errorf("loose: %s: its repositories are listed in two ways", l.Digest)
		}
		for _, r := range l.Repositories {
			if _, err := registry.ParseName(r + "@" + l.Digest.String()); err != nil {
				return err
			}
		}
	}
	if len(h.Names) == 0 && len(h.Loose) != len(carried) {
		return errors.New("it has no names, and content that is not loose")
	}
	return nil
}

// isID: 32 hexadecimal digits.
func isID(text string) bool {
	return len(text) == 32 && strings.Trim(text, "0123456789abcdef") == ""
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// parseTime reads what timeText writes.
func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || timeText(t) != text {
		return t, fmt.Errorf("%.40q is not a UTC time in whole seconds", text)
	}
	return t.UTC(), nil
}
