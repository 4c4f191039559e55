package found

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/pion/logging"
	"github.com/pion/mdns/v2"
	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/landfall-dev/landfall/registry"
)

// The groups of multicast DNS (RFC 6762, section 3).
var (
	group4 = &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}
	group6 = &net.UDPAddr{IP: net.ParseIP("ff02::fb"), Port: 5353}
)

// inner are the beginnings of names of interfaces that connect containers and virtual
// machines with this machine, not this machine with others.
var inner = []string{"br-", "cali", "cilium", "cni", "docker", "flannel", "kube", "lxc", "nerdctl", "nodelocaldns", "podman", "tunl", "veth", "virbr", "vxlan", "wg"}

// networks are the interfaces to the site's networks.
func networks() ([]net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("the interfaces of this machine: %w", err)
	}
	return slices.DeleteFunc(all, func(i net.Interface) bool {
		wants := net.FlagUp | net.FlagRunning | net.FlagMulticast
		is := func(name string) bool { return strings.HasPrefix(i.Name, name) }
		if i.Flags&wants != wants || i.Flags&(net.FlagLoopback|net.FlagPointToPoint) != 0 || slices.ContainsFunc(inner, is) {
			return true
		}
		addresses, err := i.Addrs()
		return err != nil || len(addresses) == 0
	}), nil
}

// open speaks multicast DNS on some interfaces. ErrUnreachable when that cannot be.
func open(on []net.Interface, opts ...mdns.ServerOption) (*mdns.Conn, error) {
	if len(on) == 0 {
		return nil, fmt.Errorf("%w: this machine is on no network with multicast", registry.ErrUnreachable)
	}
	p4, err4 := open4()
	p6, err6 := open6()
	if err4 != nil && err6 != nil {
		return nil, fmt.Errorf("%w: multicast DNS: %w", registry.ErrUnreachable, err4)
	}
	silent := &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled} // it tells of every bad packet of others
	conn, err := mdns.NewServer(p4, p6, append(opts, mdns.WithInterfaces(on...), mdns.WithLoggerFactory(silent))...)
	if err == nil {
		return conn, nil
	}
	if p4 != nil {
		p4.Close()
	}
	if p6 != nil {
		p6.Close()
	}
	return nil, fmt.Errorf("%w: multicast DNS: %w", registry.ErrUnreachable, err)
}

// open4 listens at the port, which others on this machine may have, too. A socket hears
// what is sent to this machine alone as well, perhaps from far away: a filter keeps that
// out (RFC 6762, section 11). Loads are from the packet's IP header.
func open4() (*ipv4.PacketConn, error) {
	conn, err := net.ListenUDP("udp4", group4)
	if err != nil {
		return nil, err
	}
	p := ipv4.NewPacketConn(conn)
	filter, err := onlyTo(group4.IP.To4(), 16)
	if err == nil {
		err = p.SetBPF(filter)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func open6() (*ipv6.PacketConn, error) {
	conn, err := net.ListenUDP("udp6", group6)
	if err != nil {
		return nil, err
	}
	p := ipv6.NewPacketConn(conn)
	filter, err := onlyTo(group6.IP, 24)
	if err == nil {
		err = p.SetBPF(filter)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// fromNetwork is where a filter finds the header of IP: SKF_NET_OFF of the kernel.
const fromNetwork = 0xfff00000

// onlyTo is a filter for packets to an address, which is so far into the header of IP.
func onlyTo(address net.IP, offset uint32) ([]bpf.RawInstruction, error) {
	var program []bpf.Instruction
	for words := len(address) / 4; words > 0; words-- {
		k := uint32(len(address)/4 - words)
		want := uint32(address[4*k])<<24 | uint32(address[4*k+1])<<16 | uint32(address[4*k+2])<<8 | uint32(address[4*k+3])
		// Another one: over the rest of the comparisons, and over what accepts.
		program = append(program, bpf.LoadAbsolute{Off: fromNetwork + offset + 4*k, Size: 4}, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: want, SkipTrue: uint8(2*(words-1) + 1)})
	}
	return bpf.Assemble(append(program, bpf.RetConstant{Val: 1 << 16}, bpf.RetConstant{Val: 0}))
}
