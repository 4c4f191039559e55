package found

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/pion/mdns/v2"

	"github.com/landfall-dev/landfall/registry"
)

// What cannot be announced is refused before anything is sent.
func TestServiceThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]Service{
		"kind":      {Kind: "_http._tcp", Name: "a"},
		"no name":   {Kind: Host},
		"long name": {Kind: Host, Name: strings.Repeat("a", 64)},
		"not UTF-8": {Kind: Host, Name: "a\xff"},
		"port":      {Kind: Appliance, Name: "a", Port: 65536},
		"key":       {Kind: Host, Name: "a", Text: map[string]string{"a=b": "c"}},
		"long text": {Kind: Host, Name: "a", Text: map[string]string{"a": strings.Repeat("b", 254)}},
	} {
		if _, err := Announce(t.Context(), s, AnnounceOptions{}); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func event(name, kind, address string) mdns.ServiceEvent {
	return mdns.ServiceEvent{Instance: mdns.ServiceInstance{Instance: name, Service: kind, Port: 5444, Text: []mdns.TXTEntry{mdns.NewTXTString("Site", "s1")}},
		Addr: netip.MustParseAddr(address)}
}

// All addresses of a service are kept, the best first; other kinds, and addresses at
// which nobody else can be, are not.
func TestCollect(t *testing.T) {
	t.Parallel()
	c := &collector{kind: Appliance, entries: map[string]*Entry{}}
	for _, e := range []mdns.ServiceEvent{
		event("edge1", string(Appliance), "fe80::1%eth0"), event("edge1", string(Appliance), "10.0.0.5"), event("edge1", string(Appliance), "10.0.0.5"),
		event("edge1", string(Appliance), "fd00::5"), event("printer", "_ipp._tcp", "10.0.0.9"), event("evil", string(Appliance), "127.0.0.1"),
	} {
		c.take(e)
	}
	list := c.list()
	if len(list) != 1 || fmt.Sprint(list[0].Addresses) != "[10.0.0.5 fd00::5 fe80::1%eth0]" || list[0].Text[Site] != "s1" || list[0].Port != 5444 {
		t.Errorf("found %+v", list)
	}
}

// Who floods the network does not fill the memory.
func TestCollectIsBounded(t *testing.T) {
	t.Parallel()
	c := &collector{kind: Host, entries: map[string]*Entry{}}
	for k := range 2 * maxEntries {
		c.take(event(fmt.Sprint("h", k), string(Host), "10.0.0.5"))
		c.take(event("h0", string(Host), netip.AddrFrom4([4]byte{10, 1, byte(k >> 8), byte(k)}).String()))
	}
	if list := c.list(); len(list) != maxEntries || len(list[0].Addresses) != maxAddresses {
		t.Errorf("kept %d entries", len(list))
	}
}
