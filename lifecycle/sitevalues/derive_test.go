package sitevalues

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/landfall-dev/landfall/registry"
)

// A key for a purpose is that of the file, another one for each purpose and each file, and
// never the file's own.
func TestDerive(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one, err := s.Derive("backup")
	s.must(err)
	file, err := os.ReadFile(s.keyFile())
	s.must(err)
	same, err := DeriveFrom(file, "backup")
	s.must(err)
	other, err := DeriveFrom(file, "something else")
	s.must(err)
	foreign, err := DeriveFrom(NewKey(), "backup")
	s.must(err)
	own, err := parseKey(file)
	s.must(err)
	if !bytes.Equal(one, same) || bytes.Equal(one, other) || bytes.Equal(one, foreign) || bytes.Equal(one, own) || len(one) != keySize {
		t.Errorf("%x %x %x %x", one, same, other, foreign)
	}
	if _, err := DeriveFrom([]byte("no key"), "backup"); !errors.Is(err, registry.ErrInvalid) {
		t.Error(err)
	}
}
