package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// address is one that an interface has or has not.
type address struct {
	ip   netip.Addr
	link netlink.Link
	has  bool
}

// newAddress is that of an interface, or of the default route's without a name.
func newAddress(text, name string) (*address, error) {
	ip, err := netip.ParseAddr(text)
	if err != nil || !ip.Is4() {
		return nil, fmt.Errorf("address %q: want one of IPv4: %w", text, err)
	}
	a := &address{ip: ip}
	if name != "" {
		a.link, err = netlink.LinkByName(name)
		return a, err
	}
	routes, err := netlink.RouteList(nil, unix.AF_INET)
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		if r.Gw != nil && (r.Dst == nil || r.Dst.IP.IsUnspecified()) {
			a.link, err = netlink.LinkByIndex(r.LinkIndex)
			return a, err
		}
	}
	return nil, errors.New("there is no default route: name vip_interface")
}

// set gives the interface the address, or takes it away, and tells the others each time
// that it has it.
func (a *address) set(want bool) error {
	one := &netlink.Addr{IPNet: &net.IPNet{IP: a.ip.AsSlice(), Mask: net.CIDRMask(32, 32)}}
	if !want {
		a.has = false
		if err := netlink.AddrDel(a.link, one); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return err
		}
		return nil
	}
	if err := netlink.AddrReplace(a.link, one); err != nil {
		return err
	}
	if a.has {
		return nil
	}
	a.has = true
	return a.announce()
}

// announce sends an ARP answer that nobody has asked for. RFC 5227, section 3.
func (a *address) announce() error {
	socket, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	own := a.link.Attrs().HardwareAddr
	everybody := bytes.Repeat([]byte{0xff}, 6)
	packet := binary.BigEndian.AppendUint16(nil, 1)
	packet = binary.BigEndian.AppendUint16(packet, unix.ETH_P_IP)
	packet = append(packet, 6, 4, 0, 2)
	packet = append(append(packet, own...), a.ip.AsSlice()...)
	packet = append(append(packet, everybody...), a.ip.AsSlice()...)
	to := &unix.SockaddrLinklayer{Protocol: unix.ETH_P_ARP<<8&0xff00 | unix.ETH_P_ARP>>8, Ifindex: a.link.Attrs().Index, Halen: 6}
	copy(to.Addr[:], everybody)
	return unix.Sendto(socket, packet, 0, to)
}
