package agent

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// etcd streams a state to whoever has a certificate, as its gateway does.
type etcd struct {
	state  atomic.Pointer[[]byte] // with the hash at its end
	broken atomic.Bool            // it ends in the middle, with an error
}

func (e *etcd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/v3/maintenance/snapshot" || len(r.TLS.PeerCertificates) != 1 {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	type result struct {
		Blob []byte `json:"blob"`
	}
	answers := json.NewEncoder(w)
	for part := range slices.Chunk(*e.state.Load(), 1000) {
		_ = answers.Encode(map[string]any{"result": result{part}})
		if e.broken.Load() {
			_ = answers.Encode(map[string]any{"error": map[string]any{"message": "etcd is leaving"}})
			return
		}
	}
}

// serveEtcd lets a kit's host have an etcd with a state, and kubeadm's certificates for it.
func (k *kit) serveEtcd(state []byte) *etcd {
	k.Helper()
	e := &etcd{}
	sum := sha256.Sum256(state)
	whole := append(slices.Clone(state), sum[:]...)
	e.state.Store(&whole)
	server := httptest.NewUnstartedServer(e)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	k.Cleanup(server.Close)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	k.must(err)
	k.write(pkiFolder+"/etcd/ca.crt", string(certificate), 0o644)
	k.write(pkiFolder+"/etcd/healthcheck-client.crt", string(certificate), 0o644)
	k.write(pkiFolder+"/etcd/healthcheck-client.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})), 0o600)
	k.close()
	k.etcd = server.Listener.Addr().String()
	k.open()
	return e
}

func snapshotOp(id, name string) host.Op {
	return host.Op{ID: id, Snapshot: &host.Snapshot{Name: name}}
}

// A snapshot is what etcd has, proven by its hash; the newest five stay.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	e := k.serveEtcd(bytes.Repeat([]byte("state"), 1000))
	var out host.Snapshotted
	r := k.done(snapshotOp("s1", "before-1"))
	k.must(r.Decode(&out))
	content, err := os.ReadFile(out.Path)
	k.must(err)
	if !bytes.Equal(content, *e.state.Load()) || out.Size != int64(len(content)) || out.Digest != digest.FromBytes(content) || filepath.Base(out.Path) != "before-1.db" {
		t.Errorf("%+v of %d bytes", out, len(content))
	}
	for n := range keptSnapshots + 1 {
		k.done(snapshotOp(fmt.Sprint("n", n), fmt.Sprint("n", n)))
	}
	left, err := filepath.Glob(filepath.Join(k.dir, "data/snapshots/*"))
	k.must(err)
	if len(left) != 2*keptSnapshots || slices.Contains(left, out.Path) {
		t.Errorf("left: %q", left)
	}
}

// What is not whole is no snapshot: one that is there of that name stays as it was.
func TestSnapshotBroken(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	e := k.serveEtcd(bytes.Repeat([]byte("state"), 1000))
	k.done(snapshotOp("s1", "before"))
	path := filepath.Join(k.dir, "data/snapshots/before.db")
	good, err := os.ReadFile(path)
	k.must(err)
	wrong := slices.Clone(good)
	wrong[0]++
	e.state.Store(&wrong)
	if f := k.fails(snapshotOp("s2", "before")); f.Kind != "digest" {
		t.Errorf("wrong bytes: %+v", f)
	}
	e.broken.Store(true)
	if f := k.fails(snapshotOp("s3", "before")); f.Kind != "unreachable" || !strings.Contains(f.Message, "etcd is leaving") {
		t.Errorf("an end in the middle: %+v", f)
	}
	if f := k.fails(snapshotOp("s4", "../x")); f.Kind != "invalid" {
		t.Errorf("a name that leads away: %+v", f)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, good) {
		t.Errorf("the snapshot before is not what it was: %v", err)
	}
	k.must(os.Remove(filepath.Join(k.root, pkiFolder, "etcd/ca.crt")))
	if f := k.fails(snapshotOp("s5", "x")); f.Kind != "not_found" {
		t.Errorf("without kubeadm's etcd: %+v", f)
	}
	k.nothingBeside()
}

// etcdutlStandIn makes a state's folder of a snapshot, of the arguments that it needs.
const etcdutlStandIn = `[ "$1 $2 $4 $6 $8" = "snapshot restore --name --initial-cluster --initial-advertise-peer-urls" ] || { echo "no command like $*" >&2; exit 2; }
[ "$5 $7 $9" = "c1 c1=https://10.0.1.1:2380 https://10.0.1.1:2380" ] || { echo "not this member: $*" >&2; exit 2; }
shift 9
[ "$1" = --data-dir ] && [ ! -e "$2" ] || { echo "data-dir $2" >&2; exit 2; }
mkdir -p "$2/member/snap"; echo restored > "$2/member/snap/db"`

// newRestore is a control plane of 1.37 with a snapshot from when it was of 1.36, and
// something that listens for as long as etcd's manifest is there.
func newRestore(t *testing.T) *kit {
	t.Helper()
	k := newKit(t)
	k.program("etcdutl", etcdutlStandIn)
	for name, content := range map[string]string{manifests + "/etcd.yaml": "1.36", manifests + "/kube-apiserver.yaml": "1.36", manifests + "/kube-scheduler.yaml": "1.36", "/var/lib/kubelet/config.yaml": "1.36"} {
		k.write(name, content, 0o600)
	}
	k.serveEtcd([]byte("state"))
	k.done(snapshotOp("s1", "before"))
	for name, content := range map[string]string{manifests + "/etcd.yaml": "1.37", manifests + "/kube-apiserver.yaml": "1.37", manifests + "/kube-scheduler.yaml": "1.37", "/var/lib/kubelet/config.yaml": "1.37", "/var/lib/etcd/member/snap/db": "1.37"} {
		k.write(name, content, 0o600)
	}
	k.close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	k.must(err)
	k.etcd = l.Addr().String()
	k.open()
	go func() { // the kubelet ends etcd; until the test's end at the latest
		for t.Context().Err() == nil && k.read(manifests+"/etcd.yaml") != "absent" {
			time.Sleep(10 * time.Millisecond)
		}
		l.Close()
	}()
	return k
}

func restoreOp(id, name string) host.Op {
	return host.Op{ID: id, Restore: &host.Restore{Name: name, Node: "c1", Address: "10.0.1.1"}}
}

func (k *kit) restored(before string) {
	k.Helper()
	for path, want := range map[string]string{
		"/var/lib/etcd/member/snap/db": "restored\n", etcdBefore + "/member/snap/db": before,
		manifests + "/etcd.yaml": "1.36", manifests + "/kube-apiserver.yaml": "1.36", manifests + "/kube-scheduler.yaml": "1.36", "/var/lib/kubelet/config.yaml": "1.36",
	} {
		if k.read(path) != want {
			k.Errorf("%s: %q, want %q", path, k.read(path), want)
		}
	}
}

// A snapshot comes back with the version that wrote it, while nobody works with the state;
// the state before stays beside it.
func TestRestore(t *testing.T) {
	t.Parallel()
	k := newRestore(t)
	k.done(restoreOp("r1", "before"))
	k.restored("1.37")
}

// Interrupted after the state was put aside, it ends as one that was not interrupted.
func TestRestoreInterrupted(t *testing.T) {
	t.Parallel()
	k := newRestore(t)
	op := restoreOp("r1", "before")
	_, err := k.agent.journal.begin(&op, time.Now()) // of an agent that was killed
	k.must(err)
	for _, name := range statePods {
		k.must(k.agent.tree.mkdir(manifestsAway, 0o700))
		k.must(k.agent.tree.rename(manifests+"/"+name, manifestsAway+"/"+name))
	}
	k.must(k.agent.tree.mkdir(etcdBefore, 0o700))
	k.must(k.agent.tree.rename(etcdMember, etcdBefore+"/member"))
	k.write("/var/lib/etcd/member/snap/db", "half", 0o600)
	if r := k.done(op); r.Attempt != 2 {
		t.Errorf("attempt %d", r.Attempt)
	}
	k.restored("1.37")
}

// What cannot be restored is said before anything is touched.
func TestRestoreRefused(t *testing.T) {
	t.Parallel()
	k := newRestore(t)
	if f := k.fails(restoreOp("r1", "other")); f.Kind != "not_found" {
		t.Errorf("no such snapshot: %+v", f)
	}
	k.must(os.Remove(filepath.Join(k.root, "usr/bin/etcdutl")))
	if f := k.fails(restoreOp("r2", "before")); f.Kind != "not_found" || !strings.Contains(f.Message, "provider") {
		t.Errorf("without etcdutl: %+v", f)
	}
	k.program("etcdutl", "echo no; exit 1")
	k.fails(restoreOp("r3", "before"))
	if k.read("/var/lib/etcd/member/snap/db") != "1.37" || k.read(manifests+"/etcd.yaml") != "1.37" {
		t.Errorf("%q, %q", k.read("/var/lib/etcd/member/snap/db"), k.read(manifests+"/etcd.yaml"))
	}
}

// A state that is copied to another file system can be read by nobody who could not before.
func TestCopyFolder(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.write("/from/snap/db", "state", 0o600)
	k.must(os.Chmod(filepath.Join(k.root, "from/snap"), 0o700))
	k.must(copyFolder(filepath.Join(k.root, "from"), filepath.Join(k.root, "to")))
	for path, want := range map[string]os.FileMode{"to/snap": 0o700, "to/snap/db": 0o600} {
		if info, err := os.Stat(filepath.Join(k.root, path)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %o", path, info, err, want)
		}
	}
	if k.read("to/snap/db") != "state" {
		t.Errorf("copied: %q", k.read("to/snap/db"))
	}
}
