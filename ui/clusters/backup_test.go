package clusters_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/clusters"
)

var stateOfEtcd = strings.Repeat("state of etcd ", 30_000)

// backup makes one of the cluster.
func (s *site) backup(key []byte) []byte {
	s.t.Helper()
	b, err := s.Backup(s.t.Context(), "shop", key)
	s.must(err)
	var file bytes.Buffer
	s.must(b.Write(s.t.Context(), &file))
	return file.Bytes()
}

// A cluster is formed again on other hosts, at another site: with its state, authorities
// and values, and without the nodes that it had.
func TestBackupRestore(t *testing.T) {
	t.Parallel()
	key := bytes.Repeat([]byte{9}, 32)
	s := newSite(t, "c1", "w1")
	s.publish("1.0.0", "1.35.4")
	s.hosts.state = stateOfEtcd
	s.create(document("1.0.0", []string{"c1"}, []string{"w1"}, "  variables: {password: first-s3cret}\n"))
	_, err := s.Set(t.Context(), "shop", set("greeting", "good day"))
	s.must(err)
	s.ends(clusters.Ready)
	config, err := s.Kubeconfig(t.Context(), "shop")
	s.must(err)
	file := s.backup(key)

	next := newSite(t, "fresh1", "w1")
	next.publish("1.0.0", "1.35.4")
	_, err = next.Restore(t.Context(), clusters.RestoreRequest{Hosts: map[string]string{"c1": "fresh1"}, Key: key}, bytes.NewReader(file))
	next.must(err)
	c := next.ends(clusters.Ready)
	if got := c.Spec.Hosts(); !slices.Equal(got, []string{"fresh1", "w1"}) || c.Running != "edge:1.0.0" || next.pins() != "running=1.0.0" {
		t.Errorf("%q run %s; pins %q", got, c.Running, next.pins())
	}
	if next.hosts.state != stateOfEtcd {
		t.Errorf("the first host has %d bytes of state, want %d", len(next.hosts.state), len(stateOfEtcd))
	}
	if !next.kube.has("remove c1") || !next.kube.has("remove w1") || next.kube.has("remove fresh1") {
		t.Errorf("%q", next.kube.did)
	}
	if text := next.kube.text("app"); !strings.Contains(text, "good day") || !strings.Contains(text, "first-s3cret") {
		t.Errorf("%s", text)
	}
	again, err := next.Kubeconfig(t.Context(), "shop")
	next.must(err)
	if authority(t, config) != authority(t, again) {
		t.Error("the cluster has another authority")
	}
	if _, err := next.Restore(t.Context(), clusters.RestoreRequest{Key: key}, bytes.NewReader(file)); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("restored over a cluster: %v", err)
	}
	next.stop()
	next.noSecret("first-s3cret")
	if left, _ := os.ReadDir(filepath.Join(next.dir, "clusters")); len(left) > 0 {
		t.Errorf("%v is left of what was restored", left)
	}
}

// authority is that of a kubeconfig.
func authority(t *testing.T, config []byte) string {
	t.Helper()
	_, rest, ok := strings.Cut(string(config), `"certificate-authority-data": "`)
	text, _, end := strings.Cut(rest, `"`)
	if !ok || !end {
		t.Fatalf("%s", config)
	}
	return text
}

// What cannot be restored is told for what it is, and leaves nothing behind.
func TestRestoreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, "c1")
	s.publish("1.0.0", "1.35.4")
	s.hosts.state = stateOfEtcd
	s.create(document("1.0.0", []string{"c1"}, nil))
	file := s.backup(nil) // with the site's own key
	key := bytes.Repeat([]byte{9}, 32)
	other := s.backup(key)

	next := newSite(t, "c1", "busy")
	next.hosts.change("busy", func(h *host.Host) { h.Cluster = "bakery" })
	for name, c := range map[string]struct {
		file    []byte
		request clusters.RestoreRequest
		want    error
	}{
		"another site's key":       {file, clusters.RestoreRequest{}, registry.ErrUntrusted},
		"another key":              {other, clusters.RestoreRequest{Key: bytes.Repeat([]byte{8}, 32)}, registry.ErrUntrusted},
		"no key":                   {other, clusters.RestoreRequest{Key: []byte("short")}, registry.ErrInvalid},
		"no backup":                {[]byte("PK"), clusters.RestoreRequest{}, registry.ErrInvalid},
		"no definition":            {other, clusters.RestoreRequest{Key: key}, registry.ErrNotFound},
		"an unknown host":          {other, clusters.RestoreRequest{Key: key, Hosts: map[string]string{"c1": "nobody"}}, registry.ErrNotFound},
		"a host that it never had": {other, clusters.RestoreRequest{Key: key, Hosts: map[string]string{"c7": "c1"}}, registry.ErrNotFound},
		"another document":         {other, clusters.RestoreRequest{Key: key, Document: document("2.0.0", []string{"c1"}, nil)}, registry.ErrInvalid},
	} {
		if _, err := next.Restore(t.Context(), c.request, bytes.NewReader(c.file)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	next.publish("1.0.0", "1.35.4")
	for name, c := range map[string]struct {
		file  []byte
		hosts map[string]string
		want  error
	}{
		"cut off":                     {other[:len(other)-1], nil, registry.ErrDigest},
		"a host of another cluster":   {other, map[string]string{"c1": "busy"}, registry.ErrConflict},
		"changed in the middle of it": {changed(other), nil, registry.ErrDigest},
	} {
		if _, err := next.Restore(t.Context(), clusters.RestoreRequest{Key: key, Hosts: c.hosts}, bytes.NewReader(c.file)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := next.List(t.Context()); err != nil || len(list) > 0 || next.hosts.cluster("c1") != "" || next.hosts.cluster("busy") != "bakery" {
		t.Errorf("%+v, %v", list, err)
	}
	if left, err := os.ReadDir(filepath.Join(next.dir, "clusters")); err != nil || len(left) > 0 {
		t.Errorf("%v is left: %v", left, err)
	}
}

func changed(file []byte) []byte {
	file = bytes.Clone(file)
	file[len(file)/2] ^= 1
	return file
}

// A restoring goes on across the end of the appliance; a backup that breaks off is an
// error, and none is made while something is done.
func TestRestoreAcrossEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t, "c1")
	s.publish("1.0.0", "1.35.4")
	s.hosts.state = stateOfEtcd
	s.create(document("1.0.0", []string{"c1"}, nil))
	file := s.backup(nil)
	b, err := s.Backup(t.Context(), "shop", nil)
	s.must(err)
	s.hosts.state = stateOfEtcd[:1000]
	if err := b.Write(t.Context(), &bytes.Buffer{}); !errors.Is(err, registry.ErrSize) {
		t.Errorf("a backup of half a state: %v", err)
	}
	_, err = s.Delete(t.Context(), "shop", false)
	s.must(err)
	s.gone()
	s.hosts.state = ""
	reached := make(chan struct{})
	s.hosts.let(func(ctx context.Context, _ string, op host.Op) error {
		if op.Pull == nil {
			return nil
		}
		close(reached)
		<-ctx.Done()
		return context.Cause(ctx)
	})
	_, err = s.Restore(t.Context(), clusters.RestoreRequest{}, bytes.NewReader(file))
	s.must(err)
	s.reaches(reached)
	if _, err := s.Backup(t.Context(), "shop", nil); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("a backup of a cluster that is being restored: %v", err)
	}
	s.stop()
	s.hosts.let(nil)
	s.open()
	s.ends(clusters.Ready)
	if s.hosts.state != stateOfEtcd {
		t.Errorf("the host has %d bytes of state", len(s.hosts.state))
	}
}
