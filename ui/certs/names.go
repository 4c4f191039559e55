package certs

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// Host is what a machine is called and where it answers.
type Host struct {
	Names     []string
	Addresses []netip.Addr
}

// maxAddresses bounds the addresses of a leaf, of IPv4 and of IPv6 each, since every
// handshake carries them: some machines of a cluster hold one for each service.
const maxAddresses = 100

// maxNameFile bounds what is read of a file of the system, in bytes.
const maxNameFile = 1 << 20

// machine looks at this machine.
func machine() (h Host, err error) {
	if name, err := os.Hostname(); err == nil {
		h.Names = hostNames(name, systemFile("/etc/hosts"), systemFile("/etc/resolv.conf"))
	}
	list, err := net.InterfaceAddrs()
	if err != nil {
		return h, err
	}
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if address, ok := netip.AddrFromSlice(n.IP); ok {
				h.Addresses = append(h.Addresses, address.Unmap())
			}
		}
	}
	return h, nil
}

// systemFile is the content of a file of the system; nothing when it cannot be read.
func systemFile(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxNameFile))
	if err != nil {
		return nil
	}
	return content
}

// hostNames are what a machine is called: its name, its full names after
// /etc/hosts and after the first search domain, and its name on the link. DNS is
// not asked: at a site it may be slow to say nothing.
func hostNames(name string, hosts, resolv []byte) []string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	short, _, full := strings.Cut(name, ".")
	list := []string{name, short}
	for _, alias := range words(hosts) {
		for _, a := range alias[1:] {
			if strings.HasPrefix(strings.ToLower(a), short+".") {
				list = append(list, strings.ToLower(strings.TrimSuffix(a, ".")))
			}
		}
	}
	if !full {
		if domain := searchDomain(resolv); domain != "" {
			list = append(list, short+"."+domain)
		}
	}
	list = append(list, short+".local")
	return slices.DeleteFunc(list, func(n string) bool { return !validName(n) })
}

// searchDomain is the first domain that names without dots are looked up in.
func searchDomain(resolv []byte) (domain string) {
	for _, line := range words(resolv) {
		if (line[0] == "search" || line[0] == "domain") && len(line) > 1 { // the last one counts
			domain = strings.ToLower(strings.Trim(line[1], "."))
		}
	}
	return domain
}

// words are the words of each line that has any, without comments.
func words(text []byte) (lines [][]string) {
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		line, _, _ := strings.Cut(s.Text(), "#")
		if w := strings.Fields(line); len(w) > 0 {
			lines = append(lines, w)
		}
	}
	return lines
}

// validName reports whether a certificate can be for a name in lower case.
func validName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' {
				return false
			}
		}
	}
	return true
}

// checkNames says which of the names given by people is none.
func checkNames(list []string) error {
	for _, text := range list {
		address, err := netip.ParseAddr(text)
		switch {
		case err == nil && (address.Zone() != "" || address.IsUnspecified() || address.IsMulticast()):
			return fmt.Errorf("%w: a certificate cannot be for the address %s", registry.ErrInvalid, text)
		case err != nil && !validName(strings.TrimPrefix(strings.ToLower(text), "*.")):
			return fmt.Errorf("%w: %q is neither an address nor the name of a host; write it without a port, and other than Latin letters as xn--", registry.ErrInvalid, text)
		}
	}
	return nil
}

// subjects are whom a certificate is for, in order and each once.
type subjects struct {
	names     []string
	addresses []netip.Addr
}

// namesOf are the subjects of a leaf. The machine itself, and what people gave,
// are in it in any case.
func namesOf(h Host, extra []string) (s subjects) {
	s.names = append(s.names, "localhost")
	s.names = append(s.names, h.Names...)
	fixed := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	for _, text := range extra {
		if address, err := netip.ParseAddr(text); err == nil {
			fixed = append(fixed, address.Unmap())
		} else {
			s.names = append(s.names, strings.ToLower(text))
		}
	}
	left := map[bool]int{true: maxAddresses, false: maxAddresses} // by Is4
	for _, a := range h.Addresses {
		if usable(a) && left[a.Is4()] > 0 {
			left[a.Is4()]--
			s.addresses = append(s.addresses, a)
		}
	}
	s.addresses = append(s.addresses, fixed...)
	slices.Sort(s.names)
	slices.SortFunc(s.addresses, netip.Addr.Compare)
	s.names, s.addresses = slices.Compact(s.names), slices.Compact(s.addresses)
	return s
}

// usable reports whether clients can use an address of the machine. Addresses of
// the link (IPv6) need an interface's name beside them, which no certificate has.
func usable(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && (a.Is4() || !a.IsLinkLocalUnicast())
}

func (s subjects) equal(o subjects) bool {
	return slices.Equal(s.names, o.names) && slices.Equal(s.addresses, o.addresses)
}

func (s subjects) String() string {
	list := slices.Clone(s.names)
	for _, a := range s.addresses {
		list = append(list, a.String())
	}
	return strings.Join(list, " ")
}
