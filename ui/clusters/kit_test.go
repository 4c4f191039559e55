package clusters_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"github.com/landfall-dev/landfall/lifecycle/render"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/clusters"
	"github.com/landfall-dev/landfall/ui/definitions"
	"github.com/landfall-dev/landfall/ui/definitions/definitionstest"
	"github.com/landfall-dev/landfall/ui/events"
	"github.com/landfall-dev/landfall/ui/jobs"
)

func TestMain(m *testing.M) {
	render.Main() // charts are rendered by this program, begun again: else that never ends
	leaktest.Main(m)
}

// site is an appliance with clusters, its hosts and what runs on them stand-ins.
type site struct {
	*clusters.Clusters
	t         *testing.T
	dir       string
	store     *store.Store
	values    *sitevalues.Values
	events    *events.Bus
	connected *definitionstest.Connected
	hosts     *machines
	kube      *api
	stop      func()
}

func newSite(t *testing.T, names ...string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), connected: definitionstest.NewConnected(t), hosts: newMachines(names...), kube: &api{}}
	s.open()
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// open begins the appliance, or begins it again where the one before has ended.
func (s *site) open() {
	s.t.Helper()
	ctx := s.t.Context()
	var err error
	s.store, err = store.Open(ctx, filepath.Join(s.dir, "data"), store.Options{})
	s.must(err)
	s.events = events.NewBus(0)
	log, err := audit.Open(ctx, s.store)
	s.must(err)
	s.values, err = definitions.OpenValues(ctx, s.store, s.dir, log)
	s.must(err)
	stored, err := definitions.Open(ctx, s.store, definitions.Options{Values: s.values})
	s.must(err)
	pool, err := jobs.New(ctx, s.store, jobs.Options{})
	s.must(err)
	s.Clusters, err = clusters.Open(ctx, s.store, clusters.Options{Definitions: stored, Values: s.values, Hosts: s.hosts, Jobs: pool, Folder: filepath.Join(s.dir, "clusters"), Audit: log, Events: s.events,
		Registry: func(context.Context) (host.Source, error) { return host.Source{URL: "https://10.0.0.1:5443"}, nil },
		Dial:     func([]byte) (clusters.Kube, error) { return s.kube, nil }})
	s.must(err)
	kept, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { pool.Keep(kept) })
	bus, db := s.events, s.store
	s.stop = sync.OnceFunc(func() {
		cancel()
		work.Wait()
		bus.Close()
		if err := db.Close(); err != nil {
			s.t.Error(err)
		}
	})
	s.t.Cleanup(s.stop)
}

// again ends the appliance in the middle of what it does, and begins it again.
func (s *site) again() {
	s.t.Helper()
	s.stop()
	s.open()
}

// A chart whose values show what is given, in the open and in a Secret.
var chartFiles = map[string]string{
	"Chart.yaml":  "apiVersion: v2\nname: web\nversion: 1.0.0\n",
	"values.yaml": "greeting: none\npassword: none\n",
	"templates/all.yaml": `apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {greeting: {{ .Values.greeting | quote }}, dsn: {{ printf "db://web:%s@db" .Values.password | quote }}}
---
apiVersion: v1
kind: Secret
metadata: {name: web}
stringData: {password: {{ .Values.password | quote }}}
`,
}

func archive(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range []string{"Chart.yaml", "values.yaml", "templates/all.yaml"} {
		text := chartFiles[name]
		if err := w.WriteHeader(&tar.Header{Name: "web/" + name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// publish brings a definition with all that it reaches, and two variables.
func (s *site) publish(version, kubernetes string) {
	s.t.Helper()
	app := s.connected.Image("docker.io/team/app:v" + version)
	images := []definition.Image{app, s.connected.Image("registry.k8s.io/pause:3.10"), s.connected.Image("ghcr.io/kube-vip/kube-vip:v1.0.0")}
	slices.SortFunc(images, func(a, b definition.Image) int { return strings.Compare(a.Name, b.Name) })
	d := definitionstest.Definition(version, images,
		variable.Declaration{Name: "greeting", Type: variable.String, Default: "hello"},
		variable.Declaration{Name: "password", Type: variable.String, Sensitive: true},
		variable.Declaration{Name: "range", Type: variable.String, Default: "10.1.0.0/16", Immutable: true})
	content := archive(s.t)
	sum := digest.FromBytes(content)
	names := d.Layers[0].Images
	d.Kubernetes = &definition.Kubernetes{Distribution: "kubeadm", Version: kubernetes}
	d.Layers = []definition.Layer{
		{Name: "kube", Type: profile.Kubernetes, Upgrade: definition.Upgrade{Policy: "drain"}, Images: names},
		{Name: "app", Type: profile.Addon, Namespace: "shop", Upgrade: definition.Upgrade{Policy: "inPlace"}, Charts: []definition.Chart{{Name: "web", Version: "1.0.0", Release: "web", Namespace: "shop", Origin: chart.Origin{Path: "web"},
			Digest: sum, Size: int64(len(content)), Values: map[string]any{"greeting": "${var.greeting}", "password": "${var.password}"}}}},
	}
	packed, err := definition.Pack(s.connected.Document(d), map[digest.Digest]definition.Opened{sum: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }}, nil)
	s.must(err)
	g, err := registry.Walk(s.t.Context(), packed, []registry.Ref{packed.Ref()}, registry.WalkOptions{})
	s.must(err)
	s.must(registry.Copy(s.t.Context(), s.store, packed, g, registry.CopyOptions{}))
	for _, i := range images {
		s.connected.Carry(s.store, i.Name)
	}
}

// document is cluster.yaml with hosts.
func document(version string, controls, workers []string, more ...string) string {
	text := "apiVersion: landfall.dev/v1alpha1\nkind: Cluster\nmetadata: {name: shop}\nspec:\n  definition: edge:" + version + "\n  controlPlane: {hosts: [" + strings.Join(controls, ", ") + "]}\n"
	if len(workers) > 0 {
		text += "  workers: [{name: w, hosts: [" + strings.Join(workers, ", ") + "]}]\n"
	}
	if len(controls) > 1 {
		text += "  network: {virtualAddress: 10.0.0.9}\n"
	}
	return text + strings.Join(more, "")
}

// create forms a cluster, and waits until it runs.
func (s *site) create(document string) {
	s.t.Helper()
	_, err := s.Create(s.t.Context(), clusters.CreateRequest{Document: document})
	s.must(err)
	s.ends(clusters.Ready)
}

// ends waits until what is done to the cluster is over, and wants it in a phase.
func (s *site) ends(want clusters.Phase) *clusters.Cluster {
	s.t.Helper()
	c := s.when(func(c *clusters.Cluster) bool { return c.Run != nil && c.Run.State != clusters.RunRunning })
	if c.Phase != want {
		s.t.Fatalf("the cluster is %s, want %s: %s", c.Phase, want, c.Reason)
	}
	return c
}

// reaches waits until a host has been asked for something, or the run ends before.
func (s *site) reaches(there <-chan struct{}) {
	s.t.Helper()
	s.when(func(c *clusters.Cluster) bool {
		select {
		case <-there:
			return true
		default:
		}
		if c.Run.State != clusters.RunRunning {
			s.t.Fatalf("it has ended: %s", c.Reason)
		}
		return false
	})
}

// when waits until the cluster is as it is wanted.
func (s *site) when(is func(c *clusters.Cluster) bool) (c *clusters.Cluster) {
	s.t.Helper()
	s.poll(func() (bool, string) {
		var err error
		c, err = s.Get(s.t.Context(), "shop")
		s.must(err)
		return is(c), fmt.Sprintf("the cluster is %s: %s; %d of %d steps are done", c.Phase, c.Reason, c.Run.Done, c.Run.Total)
	})
	return c
}

// gone waits until there is no cluster any more.
func (s *site) gone() {
	s.t.Helper()
	s.poll(func() (bool, string) {
		c, err := s.Get(s.t.Context(), "shop")
		return errors.Is(err, registry.ErrNotFound), fmt.Sprintf("%+v, %v", c, err)
	})
}

// poll looks until it is so.
func (s *site) poll(is func() (bool, string)) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for {
		so, last := is()
		if so {
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			s.t.Fatal(last)
		}
	}
}

// pins are the definitions that the cluster keeps, by owner: as=VERSION.
func (s *site) pins() string {
	s.t.Helper()
	list, err := s.store.Pins(s.t.Context())
	s.must(err)
	var texts []string
	for _, p := range list {
		if as, ok := strings.CutPrefix(p.Owner, "cluster/shop/"); ok && strings.HasPrefix(p.Repository, definition.DefaultRepository) {
			texts = append(texts, as+"="+p.Tag)
		}
	}
	slices.Sort(texts)
	return strings.Join(texts, " ")
}

// machines are hosts that do what they are asked for, at once.
type machines struct {
	mu    sync.Mutex // protects the rest
	list  []host.Host
	asked []string // HOST OPERATION
	ids   []string
	do    func(ctx context.Context, name string, op host.Op) error // nil: it is done

	output func(name string, op host.Op) string // nil: an empty one; not protected

	transfers map[string]host.Transfer
	state     string // of etcd, that hosts have or get
}

func newMachines(names ...string) *machines {
	m := &machines{}
	for i, name := range names {
		m.list = append(m.list, host.Host{ID: name, Name: name, Online: true, Address: fmt.Sprintf("10.0.1.%d", i+1), Inventory: host.Inventory{Platform: "linux/amd64", MachineID: "m-" + name}})
	}
	return m
}

func (m *machines) List(context.Context) ([]host.Host, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.list), nil
}

func (m *machines) SetCluster(_ context.Context, name, cluster string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, h := range m.list {
		if h.Name != name {
			continue
		}
		if h.Cluster != "" && cluster != "" && h.Cluster != cluster {
			return fmt.Errorf("host %s: %w", name, registry.ErrConflict)
		}
		m.list[i].Cluster = cluster
		return nil
	}
	return nil
}

// Do does nothing, and says that it was done.
func (m *machines) Do(ctx context.Context, name string, op host.Op, _ func(host.Result)) (host.Result, error) {
	m.mu.Lock()
	m.asked, m.ids = append(m.asked, name+" "+op.Kind()), append(m.ids, op.ID)
	do := m.do
	m.mu.Unlock()
	if do != nil {
		if err := do(ctx, name, op); err != nil {
			return host.Result{}, err
		}
	}
	if op.Carry != nil {
		if err := m.carry(name, op.Carry); err != nil {
			return host.Result{}, err
		}
	}
	r := host.Result{ID: op.ID, State: host.Done, Output: []byte("{}")}
	if op.Snapshot != nil {
		r.Output = fmt.Appendf(nil, `{"size":%d,"digest":%q}`, len(m.state), digest.FromString(m.state))
	}
	if m.output != nil {
		r.Output = []byte(m.output(name, op))
	}
	return r, ctx.Err()
}

// carry does what agents do with snapshots.
func (m *machines) carry(name string, c *host.Carry) error {
	m.mu.Lock()
	t, ok := m.transfers[c.As]
	state := m.state
	m.mu.Unlock()
	switch {
	case !ok || t.Host != name:
		return fmt.Errorf("nobody waits for %s of %s: %w", c.As, name, registry.ErrNotFound)
	case !c.Receive:
		return t.Take(strings.NewReader(state))
	}
	var b strings.Builder
	if err := t.Give(&b); err != nil {
		return err
	}
	if digest.FromString(b.String()) != c.Digest {
		return registry.ErrDigest
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = b.String()
	return nil
}

func (m *machines) Expect(as string, t host.Transfer) func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.transfers == nil {
		m.transfers = map[string]host.Transfer{}
	}
	m.transfers[as] = t
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.transfers, as)
	}
}

// let says what hosts do from now on, and forgets what they were asked for.
func (m *machines) let(do func(ctx context.Context, name string, op host.Op) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.do, m.asked, m.ids = do, nil, nil
}

func (m *machines) change(name string, change func(h *host.Host)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.list {
		if m.list[i].Name == name {
			change(&m.list[i])
		}
	}
}

func (m *machines) cluster(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range m.list {
		if h.Name == name {
			return h.Cluster
		}
	}
	return "unknown"
}

// were reports what hosts were asked for that begins like text.
func (m *machines) were(text string) (list []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.asked {
		if strings.HasPrefix(a, text) {
			list = append(list, a)
		}
	}
	return list
}
