package clusters

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// maxSkew is by how much two hosts' clocks may differ: more, and certificates and
// leases of one are not those of another's time.
const maxSkew = 2 * time.Second

// compare proves that the hosts of a cluster are different machines with the same time.
func (s *site) compare(ctx context.Context) error {
	r, err := s.c.row(ctx, s.c.db.Read, s.name)
	if err != nil {
		return err
	}
	hosts, err := s.c.hosts(ctx, r.spec)
	if err != nil {
		return err
	}
	if problems := append(twins(hosts), skews(hosts)...); len(problems) > 0 {
		return fmt.Errorf("%w: %s", registry.ErrConflict, strings.Join(problems, "; "))
	}
	return nil
}

// twins are hosts that share what only one machine can have.
func twins(hosts []host.Host) (problems []string) {
	for _, id := range []struct {
		what, cure string
		of         func(host.Host) []string
	}{
		{"machine id", "one was made as a copy of the other: empty /etc/machine-id on it and start it again", func(h host.Host) []string { return []string{h.Inventory.MachineID} }},
		{"product UUID", "one was made as a copy of the other: give it an id of its own", func(h host.Host) []string { return []string{h.Inventory.ProductID} }},
		{"hardware address", "give one of them another one", addresses},
	} {
		owners := map[string]string{}
		for _, h := range hosts {
			for _, value := range id.of(h) {
				if other, taken := owners[value]; taken && other != h.Name && value != "" {
					problems = append(problems, fmt.Sprintf("hosts %s and %s have the same %s %s: %s", other, h.Name, id.what, value, id.cure))
				}
				owners[value] = h.Name
			}
		}
	}
	return problems
}

func addresses(h host.Host) (list []string) {
	for _, n := range h.Inventory.Networks {
		if n.Default { // bridges and tunnels may have the same everywhere
			list = append(list, n.MAC)
		}
	}
	return list
}

// skews are hosts whose clocks are too far from the first one's.
func skews(hosts []host.Host) (problems []string) {
	if len(hosts) == 0 {
		return nil
	}
	offset := func(h host.Host) time.Duration { return time.Duration(h.Inventory.Time.Offset) * time.Millisecond }
	sorted := slices.SortedFunc(slices.Values(hosts), func(a, b host.Host) int { return int(offset(a) - offset(b)) })
	middle := offset(sorted[len(sorted)/2])
	for _, h := range hosts {
		if d := offset(h) - middle; d.Abs() > maxSkew {
			way := "ahead of"
			if d < 0 {
				way = "behind"
			}
			problems = append(problems, fmt.Sprintf("the clock of host %s is %s %s those of the others: set it, and let a time server of the site keep it", h.Name, d.Abs().Round(time.Second), way))
		}
	}
	return problems
}
