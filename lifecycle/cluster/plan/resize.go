package plan

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Was is a cluster before it is scaled.
type Was struct {
	Spec  *cluster.Spec // with those hosts only that are nodes of it
	Hosts []host.Host   // that belong to it, those of a stopped run that are no nodes yet, too
}

// Resize is a spec with other hosts in it.
type Resize struct {
	Add    []Added  `json:"add,omitempty"`
	Remove []string `json:"remove,omitempty" doc:"Names of hosts"`
}

// Added is a host that comes into a pool.
type Added struct {
	Host string `json:"host"`
	Pool string `json:"pool,omitempty" doc:"control-plane, or the name of a pool of workers; without it, the one pool of workers that there is"`
}

// Apply is the spec with hosts added and removed. It is not validated.
func (r Resize) Apply(was *cluster.Spec) (*cluster.Spec, error) {
	s := was.Clone()
	for _, name := range r.Remove {
		if s.Pool(name) == "" {
			return nil, fmt.Errorf("host %s: %w: cluster %s has no such host", name, registry.ErrNotFound, s.Name)
		}
		is := func(h string) bool { return h == name }
		s.ControlPlane.Hosts = slices.DeleteFunc(s.ControlPlane.Hosts, is)
		for i := range s.Workers {
			s.Workers[i].Hosts = slices.DeleteFunc(s.Workers[i].Hosts, is)
		}
	}
	for _, a := range r.Add {
		if err := a.into(s); err != nil {
			return nil, err
		}
	}
	s.Workers = slices.DeleteFunc(s.Workers, func(p cluster.Pool) bool {
		return len(p.Hosts) == 0 && !slices.ContainsFunc(was.Workers, func(old cluster.Pool) bool { return old.Name == p.Name && len(old.Hosts) == 0 })
	})
	return s, nil
}

// into puts a host into its pool, which is made when it is not there.
func (a Added) into(s *cluster.Spec) error {
	pool := a.Pool
	switch {
	case pool == cluster.ControlPlanePool:
		s.ControlPlane.Hosts = append(s.ControlPlane.Hosts, a.Host)
		return nil
	case pool == "" && len(s.Workers) > 1:
		return fmt.Errorf("host %s: %w: cluster %s has %d pools of workers: say which, --add %s=POOL", a.Host, registry.ErrInvalid, s.Name, len(s.Workers), a.Host)
	case pool == "" && len(s.Workers) == 1:
		pool = s.Workers[0].Name
	case pool == "":
		pool = "workers"
	}
	i := slices.IndexFunc(s.Workers, func(p cluster.Pool) bool { return p.Name == pool })
	if i < 0 {
		i, s.Workers = len(s.Workers), append(s.Workers, cluster.Pool{Name: pool})
	}
	s.Workers[i].Hosts = append(s.Workers[i].Hosts, a.Host)
	return nil
}

// Ordered is a spec whose control plane begins with those that are there already, in
// their order: on the first one clusters begin, and this one has.
func Ordered(was, now *cluster.Spec) *cluster.Spec {
	s := now.Clone()
	var list []string
	for _, name := range was.ControlPlane.Hosts {
		if slices.Contains(now.ControlPlane.Hosts, name) {
			list = append(list, name)
		}
	}
	for _, name := range now.ControlPlane.Hosts {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	s.ControlPlane.Hosts = list
	return s
}

// sameButHosts proves that a document changes hosts, pools and how changes roll only.
func sameButHosts(was, now *cluster.Spec) error {
	for _, f := range []struct {
		name, instead string
		a, b          any
	}{
		{"metadata.name", "a document of the same cluster is wanted", was.Name, now.Name},
		{"spec.source", "", was.Source, now.Source},
		{"spec.network", "", was.Network, now.Network},
		{"spec.proxy", "", was.Proxy, now.Proxy},
		{"spec.timeServers", "", was.TimeServers, now.TimeServers},
		{"spec.kubeadm", "", was.Kubeadm, now.Kubeadm},
		{"spec.valueSets", "", was.ValueSets, now.ValueSets},
		{"spec.variables", "'landfall cluster set' changes them", was.Variables, now.Variables},
	} {
		if sameValue(f.a, f.b) {
			continue
		}
		if f.instead == "" {
			f.instead = "it stays as the cluster was formed"
		}
		return fmt.Errorf("cluster %s: %w: %s of the document is another one: scaling changes hosts and pools; %s", was.Name, registry.ErrInvalid, f.name, f.instead)
	}
	return nil
}

// sameValue compares values of documents, in which nothing is as good as empty and one
// may have gone through JSON.
func sameValue(a, b any) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	if (x.Kind() == reflect.Map || x.Kind() == reflect.Slice) && x.Len() == 0 && y.Len() == 0 {
		return true
	}
	return reflect.DeepEqual(plain(a), plain(b))
}
