package found

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pion/mdns/v2"
)

// BrowseOptions say how to look. The zero value is the default.
type BrowseOptions struct {
	// For is how long to look: 3 seconds when 0. Machines answer at once, but packets get
	// lost: it is asked once a second.
	For time.Duration
	// Until ends the looking before that, when it says so of an entry. It is asked again
	// when an entry has changed, by one at a time.
	Until func(Entry) bool
}

// Browse looks for services of a kind: those that are found, in the order of their names,
// 256 at most. ErrUnreachable when this machine is on no network where it can look.
func Browse(ctx context.Context, kind Kind, opts BrowseOptions) ([]Entry, error) {
	on, err := networks()
	if err != nil {
		return nil, err
	}
	conn, err := open(on)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	limited, end := context.WithTimeout(ctx, cmp.Or(opts.For, defaultFor))
	defer end()
	c := &collector{kind: kind, entries: map[string]*Entry{}}
	conn.OnServiceDiscovered(func(e mdns.ServiceEvent) {
		if entry := c.take(e); entry != nil && opts.Until != nil && opts.Until(*entry) {
			end()
		}
	})
	if err := conn.Browse(limited, string(kind)); err != nil {
		return nil, err
	}
	<-limited.Done()
	conn.OnServiceDiscovered(nil)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return c.list(), nil
}

// collector gathers what was found.
type collector struct {
	kind Kind

	mu      sync.Mutex // protects entries
	entries map[string]*Entry
}

// take notes what was found; nil when it is of no use.
func (c *collector) take(e mdns.ServiceEvent) *Entry {
	if !strings.EqualFold(e.Instance.Service, string(c.kind)) || !e.Addr.IsValid() || e.Addr.IsLoopback() || e.Addr.IsUnspecified() || e.Addr.IsMulticast() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	entry := c.entries[e.Instance.Instance]
	if entry == nil {
		if len(c.entries) == maxEntries {
			return nil
		}
		entry = &Entry{}
		c.entries[e.Instance.Instance] = entry
	}
	entry.Service = Service{Kind: c.kind, Name: e.Instance.Instance, Port: int(e.Instance.Port), Text: map[string]string{}}
	for _, t := range e.Instance.Text {
		entry.Text[strings.ToLower(t.Key)] = string(t.Value)
	}
	if !slices.Contains(entry.Addresses, e.Addr) && len(entry.Addresses) < maxAddresses {
		entry.Addresses = append(entry.Addresses, e.Addr)
	}
	told := entry.clone()
	return &told
}

// maxAddresses is how many addresses of a service are kept.
const maxAddresses = 16

func (e Entry) clone() Entry {
	e.Text, e.Addresses = maps.Clone(e.Text), slices.Clone(e.Addresses)
	slices.SortStableFunc(e.Addresses, func(a, b netip.Addr) int { return cmp.Compare(rank(a), rank(b)) })
	return e
}

// rank puts addresses first that are good for the longest time.
func rank(a netip.Addr) int {
	switch {
	case a.IsLinkLocalUnicast():
		return 2
	case a.Is6():
		return 1
	}
	return 0
}

func (c *collector) list() []Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]Entry, 0, len(c.entries))
	for _, name := range slices.Sorted(maps.Keys(c.entries)) {
		list = append(list, c.entries[name].clone())
	}
	return list
}
