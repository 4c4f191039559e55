package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
)

const conf = `{"cniVersion": "1.0.0", "name": "edge", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
`

// writeConf tells the runtime how to make a pod's network, in one step.
func writeConf(cidr string) error {
	want := fmt.Appendf(nil, conf, cidr)
	if there, err := os.ReadFile(confFile); err == nil && bytes.Equal(there, want) {
		return nil
	}
	temp := confFile + ".part"
	return errors.Join(os.WriteFile(temp, want, 0o644), os.Rename(temp, confFile))
}

// route leads a range to a node's address.
func route(cidr, address string) error {
	_, network, err := net.ParseCIDR(cidr)
	if err != nil {
		return err
	}
	gateway := net.ParseIP(address)
	if gateway == nil {
		return fmt.Errorf("address %q is none", address)
	}
	return netlink.RouteReplace(&netlink.Route{Dst: network, Gw: gateway})
}
