package cluster

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/strictyaml"
	"github.com/landfall-dev/landfall/lifecycle/source"
	"github.com/landfall-dev/landfall/registry"
)

// What counts where a document says nothing.
const (
	defaultPods      = "10.244.0.0/16"
	defaultServices  = "10.96.0.0/12"
	defaultDomain    = "cluster.local"
	defaultPort      = 6443
	defaultProxyMode = "iptables"
	defaultDrain     = 10 * time.Minute
	defaultHealth    = 10 * time.Minute
	// nodeBits is the prefix length of what each node's pods get of the pods' range.
	nodeBits = 24
)

// fill fills in defaults.
func (s *Spec) fill() {
	n := &s.Network
	for _, d := range []struct {
		to   *string
		text string
	}{{&n.Pods, defaultPods}, {&n.Services, defaultServices}, {&n.Domain, defaultDomain}, {&n.ProxyMode, defaultProxyMode}} {
		if *d.to == "" {
			*d.to = d.text
		}
	}
	if n.Port == 0 {
		n.Port = defaultPort
	}
	if s.Source.Type == "" {
		s.Source.Type = source.Embedded
	}
	u := &s.Upgrade
	u.Wave = max(u.Wave, 1)
	if u.Drain == 0 {
		u.Drain = Duration(defaultDrain)
	}
	if u.Health == 0 {
		u.Health = Duration(defaultHealth)
	}
}

var (
	labelForm = regexp.MustCompile(`\A[a-z0-9]([a-z0-9-]*[a-z0-9])?\z`)
	keyForm   = regexp.MustCompile(`\A([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?\z`)
	valueForm = regexp.MustCompile(`\A([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?\z`)
	defForm   = regexp.MustCompile(`\A[a-z0-9]([a-z0-9._/-]*[a-z0-9])?:[0-9][0-9A-Za-z.+_-]*\z`)
	hourForm  = regexp.MustCompile(`\A([01][0-9]|2[0-3]):[0-5][0-9]\z`)
	hostForm  = regexp.MustCompile(`\A[a-zA-Z0-9]([a-zA-Z0-9.:-]*[a-zA-Z0-9])?\z`)
)

const maxClusterName = 40 // of a run's and an operation's id it is a part

var (
	effects    = []string{"NoSchedule", "PreferNoSchedule", "NoExecute"}
	proxyModes = []string{"iptables", "ipvs", "nftables"}
	days       = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
)

// problem is what is wrong with a field; the path is that of the document.
func (r *reader) problem(root strictyaml.Field, path, format string, args ...any) {
	if f, ok := r.at[path]; ok {
		r.wrong(f.Errorf(format, args...))
		return
	}
	r.wrong(root.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

// validate proves what one field alone does not say.
func (r *reader) validate(root strictyaml.Field) {
	s := r.spec
	bad := func(path, format string, args ...any) { r.problem(root, path, format, args...) }
	if len(s.Name) > maxClusterName || !labelForm.MatchString(s.Name) {
		bad("metadata.name", "%q: want at most %d lower-case letters, digits and -", s.Name, maxClusterName)
	}
	if !defForm.MatchString(s.Definition) {
		bad("spec.definition", "%q: want NAME:VERSION, like edge:1.0.0", s.Definition)
	}
	s.checkHosts(bad)
	s.checkNetwork(bad)
	s.checkSource(bad)
	for name, text := range map[string]string{"http": s.Proxy.HTTP, "https": s.Proxy.HTTPS} {
		if u, err := url.Parse(text); text != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			bad("spec.proxy."+name, "%q: want a URL like http://proxy.example:3128", text)
		}
	}
	for i, t := range s.TimeServers {
		if !hostForm.MatchString(t) {
			bad(fmt.Sprintf("spec.timeServers[%d]", i), "%q: want a host name or an address", t)
		}
	}
	for i, w := range s.Upgrade.Windows {
		if !hourForm.MatchString(w.Start) {
			bad(fmt.Sprintf("spec.upgrade.windows[%d].start", i), "%q: want a time of day like 02:00", w.Start)
		}
		for _, d := range w.Days {
			if !slices.Contains(days, d) {
				bad(fmt.Sprintf("spec.upgrade.windows[%d].days", i), "%q: want days of %s", d, strings.Join(days, ", "))
			}
		}
	}
}

type complain = func(path, format string, args ...any)

func (s *Spec) checkHosts(bad complain) {
	switch n := len(s.ControlPlane.Hosts); {
	case n != 1 && n != 3 && n != 5:
		bad("spec.controlPlane.hosts", "%d hosts: want 1, 3 or 5: etcd needs more than half of them", n)
	case n > 1 && s.Network.VirtualAddress == "":
		bad("spec.network.virtualAddress", "want a free address of the hosts' network: a control plane of %d hosts is reached by it", n)
	}
	seen := map[string]string{}
	check := func(path, name string) {
		if !labelForm.MatchString(name) || len(name) > 63 {
			bad(path, "%q: want the name of a host: at most 63 lower-case letters, digits and -", name)
		}
		if other, ok := seen[name]; ok {
			bad(path, "host %s is named twice: at %s, too", name, other)
		}
		seen[name] = path
	}
	for i, name := range s.ControlPlane.Hosts {
		check(fmt.Sprintf("spec.controlPlane.hosts[%d]", i), name)
	}
	pools := map[string]bool{ControlPlanePool: true}
	for i, p := range s.Workers {
		path := fmt.Sprintf("spec.workers[%d]", i)
		if !labelForm.MatchString(p.Name) || pools[p.Name] {
			bad(path+".name", "%q: want a name of its own, of lower-case letters, digits and -", p.Name)
		}
		pools[p.Name] = true
		for j, name := range p.Hosts {
			check(fmt.Sprintf("%s.hosts[%d]", path, j), name)
		}
		p.check(path, bad)
	}
}

func (p *Pool) check(path string, bad complain) {
	for k, v := range p.Labels {
		if !keyForm.MatchString(k) || !valueForm.MatchString(v) {
			bad(path+".labels", "%s=%s is no label of Kubernetes", k, v)
		}
	}
	for i, t := range p.Taints {
		if !keyForm.MatchString(t.Key) || !valueForm.MatchString(t.Value) || !slices.Contains(effects, t.Effect) {
			bad(fmt.Sprintf("%s.taints[%d]", path, i), "%s=%s:%s is no taint: want a key, and an effect of %s", t.Key, t.Value, t.Effect, strings.Join(effects, ", "))
		}
	}
}

func (s *Spec) checkNetwork(bad complain) {
	n := &s.Network
	pods, err := netip.ParsePrefix(n.Pods)
	if err != nil {
		bad("spec.network.pods", "%q: want a range like %s", n.Pods, defaultPods)
	}
	services, err2 := netip.ParsePrefix(n.Services)
	if err2 != nil {
		bad("spec.network.services", "%q: want a range like %s", n.Services, defaultServices)
	}
	if errors.Join(err, err2) == nil {
		s.checkRanges(pods, services, bad)
	}
	if n.Port < 1 || n.Port > 65535 {
		bad("spec.network.port", "%d: want a port, 1 to 65535", n.Port)
	}
	if !slices.Contains(proxyModes, n.ProxyMode) {
		bad("spec.network.proxyMode", "%q: want one of %s", n.ProxyMode, strings.Join(proxyModes, ", "))
	}
}

func (s *Spec) checkRanges(pods, services netip.Prefix, bad complain) {
	if pods.Overlaps(services) {
		bad("spec.network.services", "%s overlaps the pods' %s", services, pods)
	}
	if free := nodeBits - pods.Bits(); pods.Addr().Is4() && (free < 0 || free < 16 && 1<<free < len(s.Hosts())) {
		bad("spec.network.pods", "%s is too small: each of %d hosts gets a /%d of it", pods, len(s.Hosts()), nodeBits)
	}
	text := s.Network.VirtualAddress
	if text == "" {
		return
	}
	at, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		bad("spec.network.virtualAddress", "%q: want an address", text)
	case pods.Contains(at) || services.Contains(at):
		bad("spec.network.virtualAddress", "%s is in the range of pods or services: want one of the hosts' network", at)
	}
}

func (s *Spec) checkSource(bad complain) {
	from := &s.Source
	u, err := url.Parse(from.URL)
	valid := err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") && strings.Trim(u.Path, "/") == ""
	switch {
	case !slices.Contains([]source.Type{source.Embedded, source.External, source.Harbor}, from.Type):
		bad("spec.source.type", "%q: want embedded, external or harbor", from.Type)
	case from.URL == "" && from.Type != source.Embedded:
		bad("spec.source.url", "want the registry's URL, https://HOST[:PORT]")
	case from.URL != "" && !valid:
		bad("spec.source.url", "%q: want https://HOST[:PORT]", from.URL)
	case (from.Project != "") != (from.Type == source.Harbor):
		bad("spec.source.project", "a Harbor has a project, other sources have none")
	case from.Prefix != "" && from.Type != source.External:
		bad("spec.source.prefix", "an external registry may have one, other sources have none")
	case from.Path() != "" && (!registry.ValidRepositoryPath(from.Path()) || strings.Contains(from.Project, "/")):
		bad("spec.source."+map[bool]string{true: "project", false: "prefix"}[from.Type == source.Harbor], "%q: want lower-case letters, digits, and . _ - between them", from.Path())
	case from.Type == source.Harbor && from.Username == "":
		bad("spec.source.username", "want the robot account that writes to the project, with its whole name, like robot$edge")
	case from.Own() && (from.Username != "" || from.CA != ""):
		bad("spec.source.username", "the appliance's registry has neither username nor ca here: hosts know it")
	case strings.Contains(from.Username, ":"):
		bad("spec.source.username", "%q: a name with a colon cannot log in", from.Username)
	}
}
