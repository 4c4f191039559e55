package certs

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// AllowPlain is the flag that CheckPlain's errors name.
const AllowPlain = "--plain-http"

// lookupTime bounds how long the name of a listen address is looked up.
const lookupTime = 3 * time.Second

// CheckPlain refuses to speak plain HTTP at an address that others than this
// machine reach, unless that is allowed. The address is one of net.Listen or of
// net.Addr: HOST:PORT, where no host means all addresses, or the path of a Unix
// socket, also as unix:PATH. A name counts as this machine only if all addresses
// that it has now do.
func CheckPlain(ctx context.Context, listen string, allowed bool) error {
	if allowed || strings.HasPrefix(listen, "unix:") || strings.HasPrefix(listen, "/") || strings.HasPrefix(listen, "@") {
		return nil
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("%w: the address %q is not HOST:PORT", registry.ErrInvalid, listen)
	}
	if address, err := netip.ParseAddr(host); host == "" || err == nil {
		if err == nil && address.Unmap().IsLoopback() {
			return nil
		}
		return openToAll(listen, "other machines reach it")
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return openToAll(listen, "where it is cannot be told: "+err.Error())
	}
	for _, a := range addresses {
		if !a.Unmap().IsLoopback() {
			return openToAll(listen, "it is "+a.String()+", which other machines reach")
		}
	}
	return nil
}

func openToAll(listen, why string) error {
	return fmt.Errorf("%w: plain HTTP at %s: %s, and passwords and tokens would cross the network for all to read; use HTTPS, "+
		"listen on 127.0.0.1, or add %s where something before the appliance speaks HTTPS", registry.ErrInvalid, listen, why, AllowPlain)
}
