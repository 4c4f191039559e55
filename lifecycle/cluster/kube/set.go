package kube

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/landfall-dev/landfall/lifecycle/object"
	"github.com/landfall-dev/landfall/registry"
)

// key is what an object is found by.
type key struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

func keyOf(o *unstructured.Unstructured) key {
	return key{o.GetAPIVersion(), o.GetKind(), o.GetNamespace(), o.GetName()}
}

func (k key) kind() schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(k.APIVersion, k.Kind)
}

// same reports whether two keys are of one object, in whichever version of its API.
func (k key) same(other key) bool {
	return k.kind().GroupKind() == other.kind().GroupKind() && k.Namespace == other.Namespace && k.Name == other.Name
}

func (k key) String() string {
	if k.Namespace == "" {
		return k.Kind + " " + k.Name
	}
	return k.Kind + " " + k.Namespace + "/" + k.Name
}

// hook is an object that is made at some event, not with the others.
type hook struct {
	*unstructured.Unstructured
	events []string
	weight int
	policy []string // when it is deleted
}

// set is the objects of a layer, in the order in which they are applied.
type set struct {
	objects []*unstructured.Unstructured
	hooks   []hook // by weight, then name and kind
}

// entries are all that a layer may have; which ones there are is not known yet.
func (s *set) entries() (list []entry) {
	for _, o := range s.objects {
		list = append(list, entry{key: keyOf(o)})
	}
	for _, h := range s.hooks {
		list = append(list, entry{key: keyOf(h.Unstructured), Hook: true})
	}
	return list
}

// read reads the documents of a layer.
func (c *Client) read(l Layer) (*set, error) {
	s := &set{}
	for _, u := range l.Units {
		for _, f := range u.Files {
			objects, err := object.Read(f)
			if err != nil {
				return nil, err
			}
			for _, o := range objects {
				if err := c.add(s, l, u, o); err != nil {
					return nil, fmt.Errorf("%s:%d: %w", o.File, o.Line, err)
				}
			}
		}
	}
	slices.SortStableFunc(s.objects, func(a, b *unstructured.Unstructured) int { return rank(a.GetKind()) - rank(b.GetKind()) })
	slices.SortStableFunc(s.hooks, func(a, b hook) int {
		if a.weight != b.weight {
			return a.weight - b.weight
		}
		return cmp.Or(strings.Compare(a.GetName(), b.GetName()), rank(a.GetKind())-rank(b.GetKind()))
	})
	return s, nil
}

// add takes one object in, as one of the layer's.
func (c *Client) add(s *set, l Layer, u Unit, from object.Object) error {
	o := &unstructured.Unstructured{Object: from.Content}
	if o.Object == nil || o.GetAPIVersion() == "" || o.GetKind() == "" || o.GetName() == "" {
		return fmt.Errorf("%w: %w", registry.ErrInvalid, errNoObject)
	}
	o = o.DeepCopy()
	if o.GetNamespace() == "" && namespaced(o.GetKind()) {
		o.SetNamespace(u.Namespace)
	}
	delete(o.Object, "status")
	if o.GetAPIVersion() == "v1" && o.GetKind() == "Secret" {
		encodeData(o)
	}
	o.SetLabels(with(o.GetLabels(), labelLayer, l.Name))
	o.SetAnnotations(with(o.GetAnnotations(), noteDefinition, l.Definition))
	events := u.Hooks[from.File+"#"+strconv.Itoa(from.Document)]
	if len(events) == 0 {
		s.objects = append(s.objects, o)
		return nil
	}
	notes := o.GetAnnotations()
	h := hook{Unstructured: o, events: events}
	h.weight, _ = strconv.Atoi(notes["helm.sh/hook-weight"])
	for _, p := range strings.Split(notes["helm.sh/hook-delete-policy"], ",") {
		if p = strings.TrimSpace(p); p != "" {
			h.policy = append(h.policy, p)
		}
	}
	if len(h.policy) == 0 {
		h.policy = []string{beforeCreation}
	}
	s.hooks = append(s.hooks, h)
	return nil
}

// encodeData makes data of a Secret's texts, as the server does. It keeps no texts, and so
// would keep one that a later version does not have.
func encodeData(o *unstructured.Unstructured) {
	texts, ok := o.Object["stringData"].(fields)
	if !ok {
		return
	}
	data, _ := o.Object["data"].(fields)
	if data == nil {
		data = fields{}
	}
	for name, text := range texts {
		s, ok := text.(string)
		if !ok {
			return // the server says what is wrong
		}
		data[name] = base64.StdEncoding.EncodeToString([]byte(s))
	}
	o.Object["data"] = data
	delete(o.Object, "stringData")
}

func with(m map[string]string, name, value string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[name] = value
	return m
}

// clusterWide are kinds of Kubernetes' own that belong to no namespace. Of other kinds
// the server says it.
var clusterWide = []string{
	"Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "PersistentVolume", "StorageClass", "PriorityClass", "IngressClass",
	"RuntimeClass", "CSIDriver", "CSINode", "VolumeAttachment", "APIService", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration",
	"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "FlowSchema", "PriorityLevelConfiguration",
	"Node", "CertificateSigningRequest", "DeviceClass", "ResourceSlice", "ServiceCIDR", "IPAddress", "ClusterTrustBundle", "VolumeAttributesClass",
}

func namespaced(kind string) bool { return !slices.Contains(clusterWide, kind) }

// order is that in which kinds are applied, after Helm's; others come before those that
// change what is let in.
var order = []string{
	"PriorityClass", "Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange", "PodDisruptionBudget", "ServiceAccount", "Secret", "ConfigMap", "StorageClass",
	"PersistentVolume", "PersistentVolumeClaim", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Service", "DaemonSet",
	"Pod", "ReplicaSet", "Deployment", "HorizontalPodAutoscaler", "StatefulSet", "Job", "CronJob", "IngressClass", "Ingress", "APIService",
}

var last = []string{"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}

func rank(kind string) int {
	if i := slices.Index(order, kind); i >= 0 {
		return i
	}
	if i := slices.Index(last, kind); i >= 0 {
		return len(order) + 1 + i
	}
	return len(order)
}
