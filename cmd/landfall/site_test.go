package main

import (
	"errors"
	"net"
	"path/filepath"
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

// A socket that a killed appliance left behind does not turn "in use" into
// "unreachable" while somebody else has the data folder.
func TestDeadSocket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := net.Listen("unix", filepath.Join(dir, socketName))
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	_, err = (&siteFlags{data: dir}).open(t.Context())
	if !errors.Is(err, registry.ErrConflict) || exitCode(t.Context(), err) != exitConflict {
		t.Errorf("%v, exit %d; want ErrConflict, exit %d", err, exitCode(t.Context(), err), exitConflict)
	}
}
