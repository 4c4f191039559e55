package cluster

import (
	"encoding/json"
	"maps"
	"slices"
)

// Document is a spec as Parse reads it: JSON, which YAML is.
func (s *Spec) Document() ([]byte, error) {
	content, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(content, &fields); err != nil {
		return nil, err
	}
	delete(fields, "name")
	return json.MarshalIndent(map[string]any{"apiVersion": APIVersion, "kind": Kind, "metadata": map[string]any{"name": s.Name}, "spec": fields}, "", "  ")
}

// Clone is a spec that can be changed apart from this one, as far as hosts and pools go.
func (s *Spec) Clone() *Spec {
	c := *s
	c.ControlPlane.Hosts = slices.Clone(s.ControlPlane.Hosts)
	c.Workers = slices.Clone(s.Workers)
	for i, p := range s.Workers {
		c.Workers[i].Hosts, c.Workers[i].Labels, c.Workers[i].Taints = slices.Clone(p.Hosts), maps.Clone(p.Labels), slices.Clone(p.Taints)
	}
	return &c
}

// Pool is the name of the pool that a host is in, ControlPlanePool for those of the
// control plane; empty when it is in none.
func (s *Spec) Pool(host string) string {
	if slices.Contains(s.ControlPlane.Hosts, host) {
		return ControlPlanePool
	}
	for _, p := range s.Workers {
		if slices.Contains(p.Hosts, host) {
			return p.Name
		}
	}
	return ""
}

// ControlPlanePool is what the pool that runs the control plane is called.
const ControlPlanePool = "control-plane"
