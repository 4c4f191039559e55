package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Wanted is what a cluster is to have, for Drift to compare with.
type Wanted struct {
	Definition string  // NAME:VERSION
	Layers     []Layer // in their order
	// Nodes are the names of the nodes that there should be; nil: whichever there are.
	Nodes   []string
	Version string // of Kubernetes, as 1.36.3; empty: whichever it is
	// Images are those that pods may run, as for VerifyPods; nil: they are not looked at.
	Images map[string][]digest.Digest
}

// Drift is what a cluster has otherwise than its definition says. The zero value says
// that all is as it should be.
type Drift struct {
	Definition string       `json:"definition" doc:"NAME:VERSION that the cluster was compared with"`
	Layers     []LayerDrift `json:"layers,omitempty" doc:"Layers in which something differs"`
	Nodes      []NodeDrift  `json:"nodes,omitempty" doc:"Nodes that differ"`
	Images     []Violation  `json:"images,omitempty" doc:"Containers that run what the definition does not name; those outside its namespaces are marked"`
}

// LayerDrift is what differs in a layer.
type LayerDrift struct {
	Layer   string        `json:"layer"`
	Objects []ObjectDrift `json:"objects"`
}

// ObjectState says how an object differs.
type ObjectState string

// The states of objects.
const (
	ObjectMissing  ObjectState = "missing"  // it is not there
	ObjectChanged  ObjectState = "changed"  // fields that the definition says are otherwise
	ObjectReplaced ObjectState = "replaced" // somebody else has made it again
	ObjectExtra    ObjectState = "extra"    // the layer had it, and the definition has not
	ObjectUnknown  ObjectState = "unknown"  // the cluster does not tell; see why
)

// ObjectDrift is an object that differs.
type ObjectDrift struct {
	Object string       `json:"object" example:"Deployment shop/web"`
	State  ObjectState  `json:"state" enum:"missing,changed,replaced,extra,unknown"`
	Fields []FieldDrift `json:"fields,omitempty" doc:"That were changed"`
	Why    string       `json:"why,omitempty"`
}

// FieldDrift is a field that differs. Values of Secrets are not told.
type FieldDrift struct {
	Path string `json:"path" example:"spec.template.spec.containers[name=\"web\"].image"`
	Want string `json:"want,omitempty" doc:"As the definition has it, JSON; empty: it is not there"`
	Have string `json:"have,omitempty" doc:"As the cluster has it, JSON; empty: it is not there"`
	By   string `json:"by,omitempty" doc:"Who changed it, as far as the cluster knows"`
}

// NodeDrift is how a node differs.
type NodeDrift struct {
	Node       string `json:"node"`
	Missing    bool   `json:"missing,omitempty" doc:"The cluster does not have it"`
	Extra      bool   `json:"extra,omitempty" doc:"The definition's hosts are without it"`
	Version    string `json:"version,omitempty" doc:"Of its kubelet, when it is another one"`
	Want       string `json:"want,omitempty" doc:"Version that it should have"`
	Cordoned   bool   `json:"cordoned,omitempty" doc:"It takes no more pods"`
	CordonedBy string `json:"cordonedBy,omitempty"`
	NotReady   string `json:"notReady,omitempty" doc:"Why it is not ready"`
}

// Drifted reports whether anything is otherwise; what runs outside the definition's
// namespaces is not counted.
func (d *Drift) Drifted() bool {
	return len(d.Layers) > 0 || len(d.Nodes) > 0 || slices.ContainsFunc(d.Images, func(v Violation) bool { return !v.Outside })
}

// String is text for people, one thing that differs on each line.
func (d *Drift) String() string {
	var b strings.Builder
	for _, l := range d.Layers {
		for _, o := range l.Objects {
			fmt.Fprintf(&b, "layer %s: %s\n", l.Layer, o)
		}
	}
	for _, n := range d.Nodes {
		fmt.Fprintf(&b, "%s\n", n)
	}
	for _, v := range d.Images {
		fmt.Fprintf(&b, "%s\n", v)
	}
	if b.Len() == 0 {
		return "all is as definition " + d.Definition + " says\n"
	}
	return b.String()
}

// String is one line for people.
func (o ObjectDrift) String() string {
	text := map[ObjectState]string{
		ObjectMissing: "is missing", ObjectChanged: "was changed", ObjectReplaced: "was made again by somebody else",
		ObjectExtra: "is there still, and should not be", ObjectUnknown: "cannot be compared",
	}[o.State]
	for i, f := range o.Fields {
		text += []string{": ", "; "}[min(i, 1)] + f.String()
	}
	if o.Why != "" {
		text += ": " + o.Why
	}
	return o.Object + " " + text
}

// String is "PATH is HAVE, WANT is wanted".
func (f FieldDrift) String() string {
	text := f.Path + " is " + f.Have + ", " + f.Want + " is wanted"
	switch {
	case f.Want == "" && f.Have == "":
		text = f.Path + " is another one"
	case f.Have == "":
		text = f.Path + " is not there, " + f.Want + " is wanted"
	case f.Want == "":
		text = f.Path + " is " + f.Have + ", and should not be there"
	}
	if f.By != "" {
		text += " (by " + f.By + ")"
	}
	return text
}

// String is one line for people.
func (n NodeDrift) String() string {
	var texts []string
	add := func(is bool, format string, args ...any) {
		if is {
			texts = append(texts, fmt.Sprintf(format, args...))
		}
	}
	add(n.Missing, "is missing")
	add(n.Extra, "is no host of the cluster")
	add(n.Want != "", "has Kubernetes %s, %s is wanted", n.Version, n.Want)
	add(n.NotReady != "", "is not ready: %s", n.NotReady)
	by := ""
	if n.CordonedBy != "" {
		by = " (by " + n.CordonedBy + ")"
	}
	add(n.Cordoned, "takes no more pods%s", by)
	return "node " + n.Node + " " + strings.Join(texts, ", ")
}

// Drift compares a cluster with what it is to have, and changes nothing: the server is
// asked what applying each object would change. Hooks are not compared.
func (c *Client) Drift(ctx context.Context, want Wanted) (*Drift, error) {
	d := &Drift{Definition: want.Definition}
	for _, l := range want.Layers {
		objects, err := c.layerDrift(ctx, l)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", l.Name, err)
		}
		if len(objects) > 0 {
			d.Layers = append(d.Layers, LayerDrift{Layer: l.Name, Objects: objects})
		}
	}
	if err := c.extraLayers(ctx, want, d); err != nil {
		return nil, err
	}
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	d.Nodes = nodeDrift(nodes, want)
	if want.Images != nil {
		if d.Images, err = c.VerifyPods(ctx, want.Images); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// nodeDrift compares nodes.
func nodeDrift(nodes []Node, want Wanted) (list []NodeDrift) {
	seen := map[string]bool{}
	for _, n := range nodes {
		seen[n.Name] = true
		d := NodeDrift{Node: n.Name, Extra: want.Nodes != nil && !slices.Contains(want.Nodes, n.Name), Cordoned: n.Cordoned, CordonedBy: n.CordonedBy}
		if want.Version != "" && n.Version != want.Version {
			d.Version, d.Want = n.Version, want.Version
		}
		if !n.Ready {
			d.NotReady = n.Reason
			if d.NotReady == "" {
				d.NotReady = "nobody has said that it is"
			}
		}
		if d != (NodeDrift{Node: n.Name}) {
			list = append(list, d)
		}
	}
	for _, name := range want.Nodes {
		if !seen[name] {
			list = append(list, NodeDrift{Node: name, Missing: true})
		}
	}
	return list
}

// layerDrift compares the objects of a layer.
func (c *Client) layerDrift(ctx context.Context, l Layer) (list []ObjectDrift, err error) {
	set, err := c.read(l)
	if err != nil {
		return nil, err
	}
	noted, err := c.inventory(ctx, l.Name)
	if err != nil {
		return nil, err
	}
	for _, o := range set.objects {
		d, err := c.objectDrift(ctx, o, noted.find(keyOf(o)))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", nameOf(o), err)
		}
		if d != nil {
			list = append(list, *d)
		}
	}
	extra, err := c.extra(ctx, l.Name, noted.without(set.entries()))
	return append(list, extra...), err
}

// extra are those of a layer's entries that are there, and the layer's.
func (c *Client) extra(ctx context.Context, layer string, entries []entry) (list []ObjectDrift, err error) {
	for _, e := range entries {
		now, err := c.liveNow(ctx, e.key)
		if err != nil {
			return nil, err
		}
		if now != nil && c.foreign(now, layer, e.UID) == "" {
			list = append(list, ObjectDrift{Object: e.String(), State: ObjectExtra})
		}
	}
	return list, nil
}

// extraLayers finds what is there of layers that are not wanted.
func (c *Client) extraLayers(ctx context.Context, want Wanted, d *Drift) error {
	all, err := c.inventories(ctx)
	if err != nil {
		return err
	}
	for _, i := range all {
		if slices.ContainsFunc(want.Layers, func(l Layer) bool { return l.Name == i.Layer }) {
			continue
		}
		objects, err := c.extra(ctx, i.Layer, i.Objects)
		if err != nil {
			return fmt.Errorf("layer %s: %w", i.Layer, err)
		}
		if len(objects) > 0 {
			d.Layers = append(d.Layers, LayerDrift{Layer: i.Layer, Objects: objects})
		}
	}
	return nil
}

// objectDrift compares one object; nil when it is as it should be.
func (c *Client) objectDrift(ctx context.Context, o *unstructured.Unstructured, noted entry) (*ObjectDrift, error) {
	d := &ObjectDrift{Object: nameOf(o)}
	now, err := c.liveNow(ctx, keyOf(o))
	switch {
	case err != nil:
		return nil, err
	case now == nil && passesBy(o) && noted.UID != "":
		return nil, nil
	case now == nil:
		d.State = ObjectMissing
		return d, nil
	case noted.UID != "" && now.GetUID() != noted.UID:
		d.State = ObjectReplaced
	}
	var then written
	err = c.retried(ctx, d.Object, func(ctx context.Context) error {
		then, err = c.apply(ctx, o, true)
		return err
	})
	var status apierrors.APIStatus
	switch {
	case err == nil:
		d.Fields = differences(now, then.now, then.taken)
	case apierrors.IsInvalid(err) && fixed(err):
		d.Fields = fixedFields(o, now, err)
	case errors.As(err, &status) || meta.IsNoMatchError(err):
		d.State, d.Why = ObjectUnknown, err.Error()
	default:
		return nil, err
	}
	if d.State == "" && len(d.Fields) > 0 {
		d.State = ObjectChanged
	}
	if d.State == "" {
		return nil, nil
	}
	return d, nil
}

// fixedFields are fields that differ and that the server would not change any more.
func fixedFields(want, have *unstructured.Unstructured, err error) (list []FieldDrift) {
	for _, cause := range causesOf(err) {
		names := narrowed(want.Object, have.Object, cause)
		if len(names) == 0 {
			names = []string{cause.Field}
		}
		for _, name := range names {
			list = append(list, FieldDrift{Path: name})
		}
	}
	return list
}
