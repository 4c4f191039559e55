package backup_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/backup"
	"github.com/landfall-dev/landfall/lifecycle/cluster/pki"
	"github.com/landfall-dev/landfall/registry"
)

var (
	key   = bytes.Repeat([]byte{7}, 32)
	state = strings.Repeat("state of etcd ", 20_000)
)

func content(t *testing.T) backup.Content {
	t.Helper()
	keys, err := pki.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return backup.Content{Manifest: backup.Manifest{Cluster: "shop", Definition: "edge:1.0.0", State: backup.Part{Size: int64(len(state)), Digest: digest.FromString(state)}},
		Spec: &cluster.Spec{Name: "shop", Definition: "edge:1.0.0"}, Values: map[string]json.RawMessage{"password": json.RawMessage(`"s3cret"`)}, Keys: keys, Password: "robot"}
}

func write(t *testing.T, c backup.Content) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := backup.NewWriter(&b, key, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteState(strings.NewReader(state)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(file, with []byte, to io.Writer) (backup.Content, error) {
	r, err := backup.NewReader(bytes.NewReader(file), with)
	if err != nil {
		return backup.Content{}, err
	}
	return r.Content, r.ReadState(to)
}

// What was written is read, and nothing of it is in the open.
func TestBackup(t *testing.T) {
	t.Parallel()
	c := content(t)
	file := write(t, c)
	var b bytes.Buffer
	got, err := read(file, key, &b)
	if err != nil || b.String() != state || !reflect.DeepEqual(got.Keys, c.Keys) || got.Spec.Name != "shop" || got.Password != "robot" || string(got.Values["password"]) != `"s3cret"` || got.Manifest.Definition != "edge:1.0.0" {
		t.Errorf("%+v: %v", got.Manifest, err)
	}
	for _, text := range []string{"s3cret", "PRIVATE KEY", "shop", "state of etcd"} {
		if bytes.Contains(file, []byte(text)) {
			t.Errorf("%q is in the open", text)
		}
	}
}

// What is cut off anywhere, changed, or of another key, is told from what is no backup.
func TestRefused(t *testing.T) {
	t.Parallel()
	file := write(t, content(t))
	for at := 1; at < len(file); at += len(file)/40 + 1 {
		if _, err := read(file[:at], key, io.Discard); !errors.Is(err, registry.ErrDigest) && !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("cut off at %d of %d: %v", at, len(file), err)
		}
	}
	if _, err := read(file[:len(file)-1], key, io.Discard); !errors.Is(err, registry.ErrDigest) {
		t.Errorf("without its last byte: %v", err)
	}
	if _, err := read(file, bytes.Repeat([]byte{8}, 32), io.Discard); !errors.Is(err, registry.ErrUntrusted) {
		t.Errorf("with another key: %v", err)
	}
	if _, err := read([]byte("PK and more of something else"), key, io.Discard); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("something else: %v", err)
	}
}

// A state that is not what the manifest says is not written to its end.
func TestOtherState(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]string{"shorter": state[:100], "other": strings.ToUpper(state)} {
		w, err := backup.NewWriter(io.Discard, key, content(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteState(strings.NewReader(other)); !errors.Is(err, registry.ErrSize) && !errors.Is(err, registry.ErrDigest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
