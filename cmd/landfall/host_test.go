package main

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/host/found"
)

// Machines that are not linked are told as they say; control characters in that are not.
func TestPrintFound(t *testing.T) {
	t.Parallel()
	e := found.Entry{Service: unlinkedService("edge1", "0123456789abcdef0123456789abcdef"), Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("fe80::1%eth0")}}
	e.Text[found.Version] = "1.0\x1b[2J"
	var b bytes.Buffer
	if err := printFound(&b, []found.Entry{e}, false); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"edge1", "0123456789abcdef0123456789abcdef", "10.0.0.7 fe80::1%eth0"} {
		if !strings.Contains(b.String(), text) {
			t.Errorf("no %q in %q", text, b.String())
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Errorf("control characters in %q", b.String())
	}
	b.Reset()
	if err := printFound(&b, []found.Entry{e}, true); err != nil {
		t.Fatal(err)
	}
	var list []foundHost
	if err := json.Unmarshal(b.Bytes(), &list); err != nil || len(list) != 1 || list[0].Name != "edge1" || len(list[0].Addresses) != 2 {
		t.Errorf("%v: %s", err, b.String())
	}
}

// Two machines of one name are two services, whose names are no longer than DNS allows.
func TestUnlinkedService(t *testing.T) {
	t.Parallel()
	a, b := unlinkedService(strings.Repeat("x", 63), "0123456789"), unlinkedService(strings.Repeat("x", 63), "1234567890")
	if a.Name == b.Name || len(a.Name) != 63 || a.Text[found.Name] != strings.Repeat("x", 63) {
		t.Errorf("%q and %q", a.Name, b.Name)
	}
}
