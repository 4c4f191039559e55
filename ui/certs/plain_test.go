package certs_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/certs"
)

// Plain HTTP is for this machine only, unless somebody says that it may be more.
func TestCheckPlain(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"127.0.0.1:5080": true, "127.9.9.9:0": true, "[::1]:5080": true, "[::ffff:127.0.0.1]:80": true, "localhost:5080": true,
		"unix:/run/landfall.sock": true, "/run/landfall.sock": true, "@landfall": true,
		":5080": false, "0.0.0.0:5080": false, "[::]:5080": false, "10.0.0.5:80": false, "[fe80::1%lo]:80": false, "[::ffff:10.0.0.5]:80": false,
		"no.such.host.invalid:80": false, "localhost": false, "": false,
	} {
		err := certs.CheckPlain(t.Context(), address, false)
		if (err == nil) != ok || !ok && !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%q: %v", address, err)
		}
		if !ok && strings.Contains(address, ":") && !strings.Contains(err.Error(), certs.AllowPlain) {
			t.Errorf("%q: %v does not name the flag", address, err)
		}
		if err := certs.CheckPlain(t.Context(), address, true); err != nil {
			t.Errorf("%q, allowed: %v", address, err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := certs.CheckPlain(t.Context(), l.Addr().String(), false); err != nil {
		t.Error(err)
	}
}
