package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Addresses of the lab. The switch has the first, and answers questions for names.
const (
	SwitchAddress    = "10.77.0.1"
	ApplianceAddress = "10.77.0.10"
	prefixLength     = "/24"
)

// inside are the ranges that may be sent to: the switch, pods, services, and what never
// leaves a link.
const inside = "10.77.0.0/24, 10.244.0.0/16, 10.96.0.0/12, 127.0.0.0/8, 169.254.0.0/16, 224.0.0.0/4, 255.255.255.255"

// counterRules counts what a hook sees that goes outside. It is dropped: there is nothing
// there.
const counterRules = `table inet outside {
  counter dialled { }
  set whom { type ipv4_addr . ipv4_addr; flags dynamic; size 4096; }
  chain c {
    type filter hook %s priority %d; policy accept;
    %s "%s" ip daddr != { ` + inside + ` } update @whom { ip saddr . ip daddr } counter name dialled drop
    %[3]s "%[4]s" ip6 daddr != { ::1, fe80::/10, ff00::/8 } counter name dialled drop
  }
}
`

// Network is the switch. Every host and space has it as its default route, so that what
// is sent outside comes here, and is counted.
type Network struct {
	lab      *Lab
	resolver *resolver
}

func newNetwork(ctx context.Context, l *Lab) (*Network, error) {
	n := &Network{lab: l}
	for _, args := range [][]string{
		{"ip", "link", "add", "br0", "type", "bridge"},
		{"ip", "addr", "add", SwitchAddress + prefixLength, "dev", "br0"},
		{"ip", "link", "set", "br0", "up"},
	} {
		if err := run(ctx, args...); err != nil {
			return nil, err
		}
	}
	// Between hosts the switch only switches: no packet filter of it sees that.
	if err := sysctl("net/bridge/bridge-nf-call-iptables", "0"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	err := nft(ctx, nil, fmt.Sprintf(counterRules, "prerouting", -400, "iifname", "br0"))
	if err == nil {
		n.resolver, err = newResolver(SwitchAddress + ":53")
	}
	return n, err
}

func (n *Network) close() error {
	ctx := context.Background()
	return errors.Join(n.resolver.close(), run(ctx, "ip", "link", "del", "br0"), run(ctx, "nft", "delete", "table", "inet", "outside"))
}

// Outside is how many packets hosts and spaces have sent to the outside, so far.
func (n *Network) Outside() (packets int, err error) {
	return counted(exec.Command("nft", "-j", "list", "counters", "table", "inet", "outside"))
}

// Dialled lists who has sent to whom, "FROM . TO", for people.
func (n *Network) Dialled() (string, error) {
	said, err := exec.Command("nft", "list", "set", "inet", "outside", "whom").CombinedOutput()
	return strings.TrimSpace(string(said)), err
}

// Asked lists names that are not of this lab and were asked for. Each was answered with
// an address of the outside, so that who then dials it is counted.
func (n *Network) Asked() []string { return n.resolver.names() }

// counted reads the packets of the one counter that a command of nft lists.
func counted(cmd *exec.Cmd) (int, error) {
	content, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("reading the counter: %w", err)
	}
	var list struct {
		Nftables []struct {
			Counter *struct{ Packets int }
		}
	}
	if err := json.Unmarshal(content, &list); err != nil {
		return 0, err
	}
	for _, one := range list.Nftables {
		if one.Counter != nil {
			return one.Counter.Packets, nil
		}
	}
	return 0, errors.New("nobody counts: the counter is not there")
}

// nft loads rules, in the namespaces that a prefix of the command enters.
func nft(ctx context.Context, enter []string, rules string) error {
	args := append(append([]string(nil), enter...), "nft", "-f", "-")
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(rules)
	said, err := cmd.CombinedOutput()
	return failure(args, string(said), err)
}

// Carried are the bytes that a port of the switch has taken in from who hangs there, and
// has given to it, since it was plugged in last.
func (n *Network) Carried(name string) (from, to int64, err error) {
	content, err := exec.Command("ip", "-s", "-j", "link", "show", "dev", "p-"+name).Output()
	if err != nil {
		return 0, 0, fmt.Errorf("port of %s: %w", name, err)
	}
	var list []struct {
		Stats64 struct{ RX, TX struct{ Bytes int64 } }
	}
	if err := json.Unmarshal(content, &list); err != nil || len(list) != 1 {
		return 0, 0, fmt.Errorf("port of %s: %q: %w", name, content, err)
	}
	return list[0].Stats64.RX.Bytes, list[0].Stats64.TX.Bytes, nil
}

func sysctl(name, value string) error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0o644) }

// plug hangs a namespace, by what ip calls it, on the switch: a pair of interfaces, one
// called eth0 there. The hardware address is of the IP address, so that it stays.
func (n *Network) plug(ctx context.Context, port, namespace, address string, enter []string) error {
	var last int
	if _, err := fmt.Sscanf(address, "10.77.0.%d", &last); err != nil {
		return fmt.Errorf("address %q: want one of 10.77.0.0/24", address)
	}
	in := func(args ...string) []string { return append(append([]string(nil), enter...), args...) }
	for _, args := range [][]string{
		{"ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "address", fmt.Sprintf("02:4c:46:00:00:%02x", last), "netns", namespace},
		{"ip", "link", "set", port, "master", "br0", "up"},
		in("ip", "link", "set", "lo", "up"),
		in("ip", "addr", "add", address+prefixLength, "dev", "eth0"),
		in("ip", "link", "set", "eth0", "up"),
		in("ip", "route", "add", "default", "via", SwitchAddress),
	} {
		if err := run(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}
