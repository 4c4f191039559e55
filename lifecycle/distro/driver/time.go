package driver

import (
	"fmt"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

const (
	timesyncdUnit = "systemd-timesyncd.service"
	chronyUnit    = "chronyd.service" // Debian's chrony.service has this name, too
	timesyncdFile = "/etc/systemd/timesyncd.conf.d/50-landfall.conf"
)

// timeFile is where a node has its time from, for whoever keeps its clock; nothing when
// nobody says.
func (s *Setting) timeFile(n Node) ([]host.File, error) {
	servers := s.Spec.TimeServers
	switch {
	case len(servers) == 0:
		return nil, nil
	case n.Clock.By != host.Chrony:
		return []host.File{text(timesyncdFile, "[Time]\nNTP="+strings.Join(servers, " ")+"\nFallbackNTP=\n")}, nil
	case n.Clock.Servers == "":
		return nil, fmt.Errorf("host %s: %w: chrony keeps its clock, and has no folder below /etc from which it reads sources: add 'sourcedir /etc/chrony.d' to its configuration, or leave timeServers out", n.Name, registry.ErrInvalid)
	}
	var b strings.Builder
	for _, server := range servers {
		fmt.Fprintf(&b, "server %s iburst\n", server)
	}
	return []host.File{text(n.Clock.Servers, b.String())}, nil
}

// timeActs put timeFile in force.
func (s *Setting) timeActs(n Node) []cluster.Act {
	switch {
	case len(s.Spec.TimeServers) == 0:
		return nil
	case n.Clock.By == host.Chrony:
		return []cluster.Act{unit(n, chronyUnit, host.Restart)}
	}
	return []cluster.Act{unit(n, timesyncdUnit, host.Enable), unit(n, timesyncdUnit, host.Restart)}
}
