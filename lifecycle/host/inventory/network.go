package inventory

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// made are the beginnings of the names of interfaces that pods' networks make.
var made = []string{"veth", "cni", "flannel", "cali", "tunl", "vxlan.calico", "cilium", "lxc", "docker", "br-", "kube-", "nodelocaldns"}

// networks are those of the machine itself: what containers make is left out.
func (r reader) networks() (list []host.Network) {
	found, err := net.Interfaces()
	if err != nil {
		return nil // it is not allowed in some containers
	}
	way := r.defaultRoutes()
	for _, i := range found {
		if i.Flags&net.FlagLoopback != 0 || slices.ContainsFunc(made, func(start string) bool { return strings.HasPrefix(i.Name, start) }) {
			continue
		}
		n := host.Network{Name: i.Name, MAC: i.HardwareAddr.String(), Up: i.Flags&net.FlagUp != 0, Default: slices.Contains(way, i.Name)}
		addresses, _ := i.Addrs() // an interface that went meanwhile has none
		for _, a := range addresses {
			n.Addresses = append(n.Addresses, a.String())
		}
		list = append(list, n)
	}
	return list
}

// Flags of routes in the kernel's linux/route.h.
const (
	routeUp     = 0x1
	routeReject = 0x200
)

// defaultRoutes are the interfaces that default routes go through, of IPv4 and of IPv6.
func (r reader) defaultRoutes() (names []string) {
	for _, row := range rows(r.text("proc/net/route"), 8) { // interface, destination, gateway, flags, …, mask
		if row[1] == "00000000" && row[7] == "00000000" && usable(row[3]) {
			names = append(names, row[0])
		}
	}
	for _, row := range rows(r.text("proc/net/ipv6_route"), 10) { // destination, its length, source, its length, …, flags, interface
		if row[1] == "00" && row[3] == "00" && usable(row[8]) && row[9] != "lo" {
			names = append(names, row[9])
		}
	}
	return names
}

func usable(flags string) bool {
	n, err := strconv.ParseUint(flags, 16, 32)
	return err == nil && n&routeUp != 0 && n&routeReject == 0
}
