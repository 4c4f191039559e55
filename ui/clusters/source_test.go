package clusters_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/run"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/engine"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/clusters"
	"github.com/landfall-dev/landfall/ui/definitions"
	"github.com/landfall-dev/landfall/ui/definitions/definitionstest"
	"github.com/landfall-dev/landfall/ui/jobs"
)

const (
	user   = "robot$edge"
	secret = "a-secret-of-the-source"
)

// hosts is one host that does all it is asked for, but for making a control plane.
type hosts struct {
	mu      sync.Mutex // protects the rest
	asked   []host.Op
	cluster string
}

func (h *hosts) List(context.Context) ([]host.Host, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return []host.Host{{Name: "edge1", Address: "10.0.0.1", Online: true, Cluster: h.cluster, Inventory: host.Inventory{Platform: "linux/amd64"}}}, nil
}

func (h *hosts) SetCluster(_ context.Context, _, name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cluster = name
	return nil
}

func (*hosts) Expect(string, host.Transfer) func() { return func() {} }

func (h *hosts) Do(_ context.Context, _ string, op host.Op, _ func(host.Result)) (host.Result, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, op)
	if op.Kubeadm != nil {
		return host.Result{ID: op.ID, State: host.Failed, Error: &host.Failure{Kind: "conflict", Message: "so far and no further"}}, nil
	}
	output, err := json.Marshal(host.Checked{})
	return host.Result{ID: op.ID, State: host.Done, Output: output}, err
}

// kit is a site with a definition, a host, and another registry.
type kit struct {
	t        *testing.T
	dir      string
	hosts    *hosts
	clusters *clusters.Clusters
	def      *definition.Definition
	other    *store.Store // of the other registry
	url      string
}

func (k *kit) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

func newKit(t *testing.T) *kit {
	t.Helper()
	k := &kit{t: t, dir: t.TempDir(), hosts: &hosts{}}
	s := k.open(k.dir)
	k.other = k.open(t.TempDir())
	registry := engine.New(k.other, engine.Options{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, password, _ := r.BasicAuth(); name != user || password != secret {
			w.Header().Set("WWW-Authenticate", `Basic realm="other"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		registry.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	k.url = server.URL
	k.define(s)
	k.begin(s)
	return k
}

func (k *kit) open(dir string) *store.Store {
	k.t.Helper()
	s, err := store.Open(k.t.Context(), dir, store.Options{})
	k.must(err)
	k.t.Cleanup(func() { s.Close() })
	return s
}

func (k *kit) define(s *store.Store) {
	k.t.Helper()
	up := definitionstest.NewConnected(k.t)
	k.def = definitionstest.Definition("1.0.0", []definition.Image{up.Image("quay.io/team/app:1"), up.Image("registry.k8s.io/pause:3.10")})
	k.def.Kubernetes = &definition.Kubernetes{Distribution: "kubeadm", Version: "1.36.3"}
	ref := up.Publish(k.def)
	up.Carry(s, "quay.io/team/app:1", "registry.k8s.io/pause:3.10", ref.String())
}

func (k *kit) begin(s *store.Store) {
	k.t.Helper()
	ctx := k.t.Context()
	values, err := sitevalues.Open(ctx, s, sitevalues.Options{KeyFile: filepath.Join(k.dir, "values.key")})
	k.must(err)
	defs, err := definitions.Open(ctx, s, definitions.Options{Values: values})
	k.must(err)
	pool, err := jobs.New(ctx, s, jobs.Options{})
	k.must(err)
	k.clusters, err = clusters.Open(ctx, s, clusters.Options{Definitions: defs, Values: values, Hosts: k.hosts, Jobs: pool, Folder: filepath.Join(k.dir, "clusters"),
		Registry: func(context.Context) (host.Source, error) { return host.Source{}, registry.ErrUnreachable }})
	k.must(err)
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	var keeping sync.WaitGroup
	keeping.Go(func() { pool.Keep(ctx) })
	k.t.Cleanup(func() { end(); keeping.Wait() })
}

func (k *kit) request(password string) clusters.CreateRequest {
	return clusters.CreateRequest{Password: password, Document: "apiVersion: landfall.dev/v1alpha1\nkind: Cluster\nmetadata: {name: shop}\nspec:\n  definition: edge:1.0.0\n" +
		"  controlPlane: {hosts: [edge1]}\n  source: {type: external, url: '" + k.url + "', prefix: sites/shop, username: '" + user + "'}\n"}
}

// stopped waits until a cluster has stopped.
func (k *kit) stopped() *clusters.Cluster {
	k.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		c, err := k.clusters.Get(k.t.Context(), "shop")
		k.must(err)
		if c.Phase == clusters.Stopped {
			return c
		}
	}
	k.t.Fatal("it did not stop")
	return nil
}

// A cluster's content is at its own source before a host is asked for anything; hosts get
// the account's password, and nothing that is kept has it.
func TestOwnSource(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	_, err := k.clusters.Create(t.Context(), k.request(secret))
	k.must(err)
	c := k.stopped()
	if !strings.Contains(c.Reason, "so far and no further") {
		t.Fatalf("%s", c.Reason)
	}
	for _, s := range c.Run.Steps {
		if s.ID == "gate-source" && (s.State != run.Done || s.Phase != cluster.Gate) {
			t.Errorf("%+v", s)
		}
	}
	for _, i := range k.def.Images {
		ref := i.Ref()
		d, err := k.other.Resolve(t.Context(), registry.Ref{Repository: "sites/shop/" + ref.Repository, Tag: ref.Tag})
		if err != nil || d.Digest != i.Digest {
			t.Errorf("%s: %v, %v", i.Name, d, err)
		}
	}
	k.told()
	k.kept()
}

// told fails unless operations have the source and its login.
func (k *kit) told() {
	k.t.Helper()
	login, found := base64.StdEncoding.EncodeToString([]byte(user+":"+secret)), map[string]bool{}
	for _, op := range k.hosts.asked {
		switch {
		case op.Check != nil:
			found["canary"] = op.Check.Canary != nil && op.Check.Source.Password == secret && op.Check.Source.Prefix == "sites/shop" && op.Check.Source.HostPaths && op.Check.Source.URL == k.url
		case op.Pull != nil:
			found["pull"] = op.Pull.Source.Password == secret
		case op.Files != nil:
			for _, f := range op.Files.Put {
				if strings.HasSuffix(f.Path, "quay.io/hosts.toml") {
					found["hosts.toml"] = strings.Contains(string(f.Content), "Basic "+login) && strings.Contains(string(f.Content), k.url+"/v2/sites/shop/quay.io")
				}
			}
		}
	}
	for _, what := range []string{"canary", "pull", "hosts.toml"} {
		if !found[what] {
			k.t.Errorf("%s is not as it should be: %+v", what, k.hosts.asked)
		}
	}
}

// kept fails when a file of the appliance has the password.
func (k *kit) kept() {
	k.t.Helper()
	files := 0
	k.must(filepath.WalkDir(k.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		files++
		for _, text := range []string{secret, base64.StdEncoding.EncodeToString([]byte(user + ":" + secret))} {
			if bytes.Contains(content, []byte(text)) {
				k.t.Errorf("%s has the password", path)
			}
		}
		return err
	}))
	if files < 3 {
		k.t.Errorf("%d files were looked at", files)
	}
}

// A source that does not let its account in is told at once, and nothing is begun.
func TestSourceRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for password, want := range map[string]error{"wrong": registry.ErrDenied, "": registry.ErrInvalid} {
		if _, err := k.clusters.Create(t.Context(), k.request(password)); !errors.Is(err, want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if list, err := k.clusters.List(t.Context()); err != nil || len(list) > 0 || k.hosts.cluster != "" || len(k.hosts.asked) > 0 {
		t.Errorf("%+v, %v, %q, %+v", list, err, k.hosts.cluster, k.hosts.asked)
	}
}
