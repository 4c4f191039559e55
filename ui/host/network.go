package host

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// Network is how the machine is connected.
type Network struct {
	Interfaces []Interface `json:"interfaces"`
	Routes     []Route     `json:"routes"` // the default ones; a site without any is nothing unusual
	DNS        []string    `json:"dns"`
	Search     []string    `json:"search"` // what is appended to short names
}

// Interface is one of the network.
type Interface struct {
	Name      string   `json:"name"`
	MAC       string   `json:"mac,omitempty"`
	Up        bool     `json:"up"`   // somebody has switched it on
	Link      bool     `json:"link"` // and something is at its other end
	Loopback  bool     `json:"loopback"`
	MTU       int      `json:"mtu"`                 // in bytes
	SpeedMbit int64    `json:"speedMbit,omitempty"` // in Mbit/s; 0: not known
	Addresses []string `json:"addresses"`           // 10.0.0.5/24, fe80::1/64
}

// Route is where everything goes that has no other way.
type Route struct {
	Interface string `json:"interface"`
	Gateway   string `json:"gateway,omitempty"` // empty: what is meant is right there
	Metric    int64  `json:"metric"`            // the lowest counts
}

func (r files) network() Network {
	n := Network{Interfaces: []Interface{}, DNS: []string{}, Search: []string{}}
	list, _ := net.Interfaces() // not allowed in some containers
	for _, i := range list {
		n.Interfaces = append(n.Interfaces, r.describe(i))
	}
	n.Routes = append(routes4(r.text("proc/net/route")), routes6(r.text("proc/net/ipv6_route"))...)
	n.parseResolver(r.text("etc/resolv.conf"))
	return n
}

func (r files) describe(i net.Interface) Interface {
	d := Interface{Name: i.Name, MAC: i.HardwareAddr.String(), MTU: i.MTU, Addresses: []string{},
		Up: i.Flags&net.FlagUp != 0, Link: i.Flags&net.FlagRunning != 0, Loopback: i.Flags&net.FlagLoopback != 0}
	if speed, err := strconv.ParseInt(r.text("sys/class/net/"+i.Name+"/speed"), 10, 64); err == nil && speed > 0 {
		d.SpeedMbit = speed // -1 without a link
	}
	addresses, _ := i.Addrs()
	for _, a := range addresses {
		d.Addresses = append(d.Addresses, a.String())
	}
	return d
}

// Flags of routes in the kernel's linux/route.h.
const (
	routeUp     = 0x1
	routeReject = 0x200
)

// routes4 reads the default routes of /proc/net/route: interface, destination,
// gateway, flags, references, use, metric, mask, each number in hexadecimal.
func routes4(text string) []Route {
	routes := []Route{}
	for _, words := range cutLines(text) {
		if len(words) < 8 || words[1] != "00000000" || words[7] != "00000000" || !usable(words[3]) {
			continue
		}
		gateway, err := strconv.ParseUint(words[2], 16, 32)
		if err != nil {
			continue
		}
		var address [4]byte // in the order of the network, whatever the machine's is
		binary.NativeEndian.PutUint32(address[:], uint32(gateway))
		metric, _ := strconv.ParseInt(words[6], 10, 64)
		routes = append(routes, route(words[0], netip.AddrFrom4(address), metric))
	}
	return routes
}

// routes6 reads the default routes of /proc/net/ipv6_route: destination and its
// length, source and its length, gateway, metric, references, use, flags,
// interface.
func routes6(text string) []Route {
	routes := []Route{}
	for _, words := range cutLines(text) {
		if len(words) < 10 || words[1] != "00" || words[3] != "00" || !usable(words[8]) || words[9] == "lo" {
			continue
		}
		content, err := hex.DecodeString(words[4])
		gateway, ok := netip.AddrFromSlice(content)
		if err != nil || !ok || !gateway.Is6() {
			continue
		}
		metric, _ := strconv.ParseInt(words[5], 16, 64)
		routes = append(routes, route(words[9], gateway, metric))
	}
	return routes
}

func usable(flags string) bool {
	n, err := strconv.ParseUint(flags, 16, 32)
	return err == nil && n&routeUp != 0 && n&routeReject == 0
}

func route(name string, gateway netip.Addr, metric int64) Route {
	r := Route{Interface: name, Metric: metric}
	if !gateway.IsUnspecified() {
		r.Gateway = gateway.String()
	}
	return r
}

// parseResolver reads resolv.conf(5). The last list of domains counts.
func (n *Network) parseResolver(text string) {
	for _, words := range cutLines(text) {
		switch words[0] {
		case "nameserver":
			if len(words) > 1 {
				n.DNS = append(n.DNS, words[1])
			}
		case "search", "domain":
			n.Search = slices.Clone(words[1:])
		}
	}
}
