package plan

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/distro/driver"
	"github.com/landfall-dev/landfall/registry"
)

// Preview is what an upgrade changes.
type Preview struct {
	From          string                 `json:"from"`
	To            string                 `json:"to"`
	Difference    *definition.Difference `json:"difference" doc:"Of the definitions, layer by layer"`
	Hosts         []HostChange           `json:"hosts"`
	Interruptions []string               `json:"interruptions,omitempty" doc:"What will not be there for a while"`
	Skew          string                 `json:"skew,omitempty" doc:"The rule of Kubernetes that the step breaks"`
}

// HostChange is what an upgrade does to a host.
type HostChange struct {
	Host   string `json:"host"`
	Role   string `json:"role" enum:"first,control-plane,worker"`
	Rolls  bool   `json:"rolls" doc:"It is drained and changed"`
	Images int    `json:"images" doc:"That it does not run now"`
	Bytes  int64  `json:"bytes" doc:"That it has to pull, when it has all of the definition that runs now"`
}

// Compare says what an upgrade changes.
func Compare(in Input) (*Preview, error) {
	m, err := newMove(cluster.Upgrade, in)
	if err != nil {
		return nil, err
	}
	p := &Preview{From: m.plan.From, To: m.plan.To, Difference: definition.Diff(in.From, in.To, nil)}
	if err := driver.Skew(in.From.Kubernetes.Version, in.To.Kubernetes.Version); err != nil {
		p.Skew = err.Error()
	}
	for _, n := range m.setting.Nodes {
		platform := registry.PlatformString(n.Platform)
		h := HostChange{Host: n.Name, Role: string(n.Role), Rolls: touched(in.From, in.To, platform)}
		h.Images, h.Bytes = fresh(in.From, in.To, platform)
		p.Hosts = append(p.Hosts, h)
	}
	p.Interruptions = m.interruptions()
	return p, nil
}

// fresh are images and bytes of a definition that another one has not.
func fresh(from, to *definition.Definition, platform string) (count int, bytes int64) {
	had := map[string]bool{}
	for _, i := range from.Images {
		had[i.Digest.String()] = true
	}
	for _, i := range images(to, platform) {
		if !had[i.Digest.String()] {
			count++
		}
	}
	old := blobs(from, platform)
	for d, size := range blobs(to, platform) {
		if _, ok := old[d]; !ok {
			bytes += size
		}
	}
	return count, bytes
}

// interruptions are what people on site will notice.
func (m *maker) interruptions() (list []string) {
	if len(m.rolling()) > 0 && len(controls(m.setting.Nodes)) == 1 {
		list = append(list, "the API server is away for about a minute: the control plane is one host; what runs goes on")
	}
	if len(m.setting.Nodes) == 1 && len(m.rolling()) > 0 {
		list = append(list, "there is one host: what is drained from it waits until it is back")
	}
	for _, l := range append(changed(m.From, m.To), removed(m.From, m.To)...) {
		if l.Upgrade.Notes != "" {
			list = append(list, "layer "+l.Name+": "+strings.Join(strings.Fields(l.Upgrade.Notes), " "))
		}
	}
	return list
}

// String is the preview for people.
func (p *Preview) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s → %s\n", p.From, p.To)
	for _, l := range p.Difference.Layers {
		fmt.Fprintf(&b, "layer     %s is %s\n", l.Name, l.Change)
	}
	t := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "\nHOST\tROLE\tROLLS\tNEW IMAGES\tBYTES")
	for _, h := range p.Hosts {
		fmt.Fprintf(t, "%s\t%s\t%t\t%d\t%s\n", h.Host, h.Role, h.Rolls, h.Images, units.Bytes(h.Bytes))
	}
	_ = t.Flush() // a Builder never fails
	for _, text := range p.Interruptions {
		fmt.Fprintf(&b, "expect    %s\n", text)
	}
	if p.Skew != "" {
		fmt.Fprintf(&b, "refused   %s\n", p.Skew)
	}
	return b.String()
}
