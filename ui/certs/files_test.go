package certs_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/certs"
)

// write is what a crash or somebody left in the folder.
func (s *site) write(t *testing.T, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *site) read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// Ended after each write of the first start, the next one goes on: hosts that
// trust what has become visible can trust what comes.
func TestCrashAtFirstStart(t *testing.T) {
	t.Parallel()
	whole := newSite(t)
	trusted := whole.open(t).CAPEM()
	key, cert := whole.read(t, "ca.key"), whole.read(t, "ca.pem")
	for _, left := range []map[string]string{
		{},
		{".ca.key.123": key[:50]},
		{"ca.key": key},
		{"ca.key": key, ".ca.pem.123": cert[:100]},
		{"ca.key": key, "ca.pem": cert},
		{"ca.key": key, "ca.pem": cert, ".custom.pem.9": key},
	} {
		s := newSite(t)
		s.write(t, left)
		c := s.open(t)
		if address := serveTLS(t, c, "127.0.0.1:0"); left["ca.key"] != "" { // the same key and name: the certificate that was lost is as good
			leaf(t, address, trusting("edge1", today, trusted))
		}
		entries, err := os.ReadDir(s.dir)
		if err != nil || len(entries) != 2 {
			t.Errorf("%v, %v; want the authority only", entries, err)
		}
		if again := s.open(t); !bytes.Equal(again.CAPEM(), c.CAPEM()) || again.Fingerprint() != c.Fingerprint() {
			t.Error("the next start made another authority")
		}
	}
}

// A damaged authority is an error that names the file, and stays as it is.
func TestDamagedAuthority(t *testing.T) {
	t.Parallel()
	whole, other := newSite(t), newSite(t)
	whole.open(t)
	other.open(t)
	key, cert := whole.read(t, "ca.key"), whole.read(t, "ca.pem")
	server := sign(t, forServer("edge1"), nil, nil)
	for name, test := range map[string]struct {
		file      string
		key, cert string
	}{
		"empty key":          {"ca.key", "", cert},
		"empty certificate":  {"ca.pem", key, ""},
		"cut key":            {"ca.key", key[:len(key)-60], cert},
		"cut certificate":    {"ca.pem", key, cert[:len(cert)/2]},
		"flipped key":        {"ca.key", strings.Replace(key, "MIG", "MIF", 1), cert},
		"trailing":           {"ca.pem", key, cert + cert},
		"another's key":      {"ca.pem", other.read(t, "ca.key"), cert},
		"another's":          {"ca.pem", key, other.read(t, "ca.pem")},
		"no authority":       {"ca.pem", string(keyText(t, server.key)), string(certText(server))},
		"key only, damaged":  {"ca.key", "x", "-"},
		"certificate only":   {"ca.key", "-", cert},
		"certificate as key": {"ca.key", cert, cert},
	} {
		s := newSite(t)
		left := map[string]string{"ca.key": test.key, "ca.pem": test.cert}
		for file, content := range left {
			if content == "-" {
				delete(left, file)
			}
		}
		s.write(t, left)
		_, err := certs.Open(s.dir, s.options())
		if !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), filepath.Join(s.dir, test.file)) || strings.Contains(err.Error(), "MIG") {
			t.Errorf("%s: %v", name, err)
		}
		for file, content := range left {
			if s.read(t, file) != content {
				t.Errorf("%s: %s was changed", name, file)
			}
		}
		if entries, err := os.ReadDir(s.dir); err != nil || len(entries) != len(left) {
			t.Errorf("%s: %v, %v", name, entries, err)
		}
	}
}

// What cannot be read is no reason for a new authority either.
func TestUnreadableAuthority(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := os.Mkdir(filepath.Join(s.dir, "ca.key"), 0o700); err != nil { // root reads every file
		t.Fatal(err)
	}
	if _, err := certs.Open(s.dir, s.options()); err == nil || !strings.Contains(err.Error(), "ca.key") {
		t.Errorf("a folder in place of the key: %v", err)
	}
}

// A customer's certificate that is damaged on disk does not stop the site: it is
// told of, the own leaf is served, and it can be replaced or removed.
func TestDamagedCustom(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.open(t)
	server := sign(t, forServer("edge1"), nil, nil)
	if _, err := c.SetCustom(t.Context(), certText(server), keyText(t, server.key), ""); err != nil {
		t.Fatal(err)
	}
	whole := s.read(t, "custom.pem")
	other := sign(t, forServer("edge1"), nil, nil)
	for _, content := range []string{"", whole[:len(whole)/3], whole[:len(whole)-60], string(certText(server)), string(certText(server)) + string(keyText(t, other.key))} {
		s.write(t, map[string]string{"custom.pem": content})
		c := s.open(t)
		status := c.Status()
		if status.Source != certs.Own || len(status.Warnings) != 1 || !strings.Contains(status.Warnings[0], filepath.Join(s.dir, "custom.pem")) {
			t.Errorf("%+v", status)
		}
		leaf(t, serveTLS(t, c, "127.0.0.1:0"), trusting("edge1", today, c.CAPEM()))
		if s.read(t, "custom.pem") != content {
			t.Error("the file was changed")
		}
		if err := c.RemoveCustom(t.Context(), status.Version); err != nil {
			t.Error(err)
		}
		if status := c.Status(); len(status.Warnings) != 0 {
			t.Errorf("%+v", status)
		}
	}
}
