package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// etcdAddress is where a control plane's own etcd answers.
const etcdAddress = "127.0.0.1:2379"

// keptSnapshots is how many snapshots stay on a host: the newest.
const keptSnapshots = 5

var snapshotName = regexp.MustCompile(`\A[a-z0-9]([a-z0-9-]{0,126}[a-z0-9])?\z`)

func (t *task) snapshotPath(name string) (string, error) {
	if !snapshotName.MatchString(name) {
		return "", fmt.Errorf("snapshot %q: %w: want lower-case letters, digits and -", name, registry.ErrInvalid)
	}
	return filepath.Join(t.data, "snapshots", name+".db"), nil
}

// snapshot saves the state of etcd, as it streams it, and proves what came by the hash at
// its end.
// https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/
func (t *task) snapshot(ctx context.Context, s *host.Snapshot) (any, error) {
	path, err := t.snapshotPath(s.Name)
	if err != nil {
		return nil, err
	}
	t.kubeadm.Lock()
	defer t.kubeadm.Unlock()
	if s.K3s {
		return t.k3sSnapshot(ctx, s)
	}
	if err := t.noteControlPlane(path); err != nil {
		return nil, err
	}
	client, err := t.etcdClient()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+t.opts.Etcd+"/v3/maintenance/snapshot", strings.NewReader("{}"))
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w: %w", registry.ErrUnreachable, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("etcd: %w: it answers %s", registry.ErrUnreachable, answer.Status)
	}
	state := &stateReader{from: json.NewDecoder(answer.Body), proof: newTrailing()}
	if err := writeStream(path, state); err != nil {
		return nil, fmt.Errorf("snapshot of etcd: %w", err)
	}
	out := host.Snapshotted{Path: path, Size: state.size, Digest: digest.NewDigest(digest.SHA256, state.sum())}
	return out, t.sweepSnapshots()
}

// besides is the file with a node's files beside a snapshot.
func besides(path string) string { return strings.TrimSuffix(path, ".db") + ".json" }

// noteControlPlane keeps the static pods and what the kubelet is told beside a snapshot:
// the state goes with the version that wrote it.
func (t *task) noteControlPlane(path string) error {
	paths := slices.Clone(kubeletFiles)
	for _, name := range t.tree.list(manifests) {
		if strings.HasSuffix(name, ".yaml") && !strings.HasPrefix(name, ".") {
			paths = append(paths, manifests+"/"+name)
		}
	}
	files, err := t.readNode(paths)
	if err != nil {
		return err
	}
	return saveJSON(besides(path), files)
}

// etcdClient has the certificate that kubeadm makes for health checks of etcd.
func (t *task) etcdClient() (*http.Client, error) {
	read := func(name string) ([]byte, error) { return t.tree.read(pkiFolder + "/etcd/" + name) }
	ca, err := read("ca.crt")
	if err != nil {
		return nil, fmt.Errorf("etcd: %w: this host has none of kubeadm's: %w", registry.ErrNotFound, err)
	}
	certificate, err := read("healthcheck-client.crt")
	if err != nil {
		return nil, err
	}
	key, err := read("healthcheck-client.key")
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}}}, nil
}

// stateReader takes a snapshot out of the stream of JSON that etcd answers with.
type stateReader struct {
	from  *json.Decoder
	left  []byte
	size  int64
	proof *trailing
}

func (s *stateReader) sum() hash.Hash { return s.proof.whole }

// Read implements io.Reader. The end comes only when the hash at it is right.
func (s *stateReader) Read(p []byte) (int, error) {
	for len(s.left) == 0 {
		var part struct {
			Result struct {
				Blob []byte `json:"blob"`
			} `json:"result"`
			Error *struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		err := s.from.Decode(&part)
		if errors.Is(err, io.EOF) {
			if !s.proof.right() {
				return 0, fmt.Errorf("what etcd sent: %w", registry.ErrDigest)
			}
			return 0, io.EOF
		}
		if err != nil {
			return 0, err
		}
		if part.Error != nil {
			return 0, fmt.Errorf("etcd: %w: %s", registry.ErrUnreachable, part.Error.Message)
		}
		s.left = part.Result.Blob
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	s.size += int64(n)
	s.proof.add(p[:n])
	return n, nil
}

// trailing hashes all but the last bytes, which are the hash of those before.
type trailing struct {
	before, whole hash.Hash
	last          []byte
}

func newTrailing() *trailing { return &trailing{before: sha256.New(), whole: sha256.New()} }

func (t *trailing) add(p []byte) {
	t.whole.Write(p)
	t.last = append(t.last, p...)
	if over := len(t.last) - sha256.Size; over > 0 {
		t.before.Write(t.last[:over])
		t.last = append(t.last[:0], t.last[over:]...)
	}
}

func (t *trailing) right() bool { return bytes.Equal(t.last, t.before.Sum(nil)) }

// sweepSnapshots removes all but the newest ones, with what is beside them.
func (t *task) sweepSnapshots() error {
	entries, err := os.ReadDir(filepath.Join(t.data, "snapshots"))
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return filepath.Ext(e.Name()) == ".json" })
	slices.SortFunc(entries, func(a, b os.DirEntry) int {
		x, _ := a.Info()
		y, _ := b.Info()
		if x == nil || y == nil {
			return 0
		}
		return y.ModTime().Compare(x.ModTime())
	})
	for i, e := range entries {
		if i >= keptSnapshots {
			path := filepath.Join(t.data, "snapshots", e.Name())
			err = errors.Join(err, os.Remove(path), os.RemoveAll(besides(path)))
		}
	}
	return err
}
