package inventory

import (
	"path"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// serversName is the name of the file with time servers, without what says its form.
const serversName = "50-landfall"

// timeBy is who keeps the clock right, and the file in which servers can be named for it.
// Both leave traces in /run while they run.
// https://chrony-project.org/doc/4.5/chrony.conf.html
func (r reader) timeBy() (by, servers string) {
	switch {
	case r.there("run/chrony/chronyd.pid") || r.there("run/chronyd.pid"):
		text := r.text("etc/chrony/chrony.conf")
		if text == "" {
			text = r.text("etc/chrony.conf")
		}
		return host.Chrony, chronyServers(text)
	case r.there("run/systemd/timesync"):
		return host.Timesyncd, "/etc/systemd/timesyncd.conf.d/" + serversName + ".conf"
	}
	return "", ""
}

// chronyServers is a file in a folder below /etc that a configuration of chrony has read:
// one of sources, or else one of configuration.
func chronyServers(text string) (servers string) {
	for _, row := range rows(text, 2) {
		for _, folder := range row[1:] {
			if !strings.HasPrefix(folder, "/etc/") {
				continue // it would be gone after the machine's next start
			}
			switch {
			case strings.EqualFold(row[0], "sourcedir"):
				return path.Join(folder, serversName+".sources")
			case strings.EqualFold(row[0], "confdir") && servers == "":
				servers = path.Join(folder, serversName+".conf")
			}
		}
	}
	return servers
}
