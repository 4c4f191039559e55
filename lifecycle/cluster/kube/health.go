package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

const systemNamespace = "kube-system"

// AwaitPods waits until the pods of Kubernetes' own on a node, or on all without one,
// are ready, and without one until none of its workloads is being changed.
func (c *Client) AwaitPods(ctx context.Context, node string, progress func(string)) error {
	return c.until(ctx, "pods of "+systemNamespace, func(ctx context.Context) (string, error) {
		missing, err := c.systemPods(ctx, node)
		if len(missing) > 0 && progress != nil {
			progress(fmt.Sprintf("%d pods of %s are not ready", len(missing), systemNamespace))
		}
		return joinLines(missing), err
	})
}

// systemPods are those of Kubernetes' own that are not ready, with the reason.
func (c *Client) systemPods(ctx context.Context, node string) (missing []string, err error) {
	options := metav1.ListOptions{}
	if node != "" {
		options.FieldSelector = "spec.nodeName=" + node
	}
	list, err := c.objects.Resource(podResource).Namespace(systemNamespace).List(ctx, options)
	if err != nil {
		return nil, err
	}
	for i := range list.Items {
		p := &list.Items[i]
		why, _ := pod(p.Object)
		if p.GetDeletionTimestamp() != nil || textAt(p.Object, "status", "phase") == "Failed" && metav1.GetControllerOf(p) != nil {
			continue // it ends, or another one has taken its place
		}
		if why != "" {
			missing = append(missing, "pod "+p.GetName()+": "+why+" "+waiting(p))
		}
	}
	if node != "" {
		return missing, nil
	}
	changing, err := c.systemWorkloads(ctx)
	return append(missing, changing...), err
}

// systemWorkloads are those of Kubernetes' own that are being changed. Until that is over
// no host may be emptied: while a proxy is replaced, its host does not learn where pods
// have gone.
func (c *Client) systemWorkloads(ctx context.Context) (missing []string, err error) {
	for _, kind := range workloads {
		found, err := c.objects.Resource(kind).Namespace(systemNamespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		for i := range found.Items {
			if why, _ := unready(&found.Items[i]); why != "" {
				missing = append(missing, nameOf(&found.Items[i])+": "+why)
			}
		}
	}
	return missing, nil
}

// workloads are what keeps pods running.
var workloads = []schema.GroupVersionResource{
	{Group: "apps", Version: "v1", Resource: "deployments"}, {Group: "apps", Version: "v1", Resource: "daemonsets"}, {Group: "apps", Version: "v1", Resource: "statefulsets"},
}

// Health is what is not as it should be: nodes, pods of Kubernetes' own, and the
// workloads of layers that are not available. It waits until all is well, and gives what
// is not when the context ends.
func (c *Client) Health(ctx context.Context) (findings []host.Finding, err error) {
	waited := c.until(ctx, "the cluster", func(ctx context.Context) (string, error) {
		var texts []string
		if findings, err = c.look(ctx); err != nil {
			return "", err
		}
		for _, f := range findings {
			texts = append(texts, f.Text)
		}
		return joinLines(texts), nil
	})
	if waited != nil && len(findings) == 0 {
		return nil, waited
	}
	return findings, nil
}

func (c *Client) look(ctx context.Context) (list []host.Finding, err error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		if !n.Ready {
			list = append(list, host.Finding{Check: "node", Severity: host.Blocks, Text: "node " + n.Name + " is not ready: " + n.Reason})
		}
	}
	missing, err := c.systemPods(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, text := range missing {
		list = append(list, host.Finding{Check: "pods", Severity: host.Blocks, Text: text})
	}
	for _, kind := range workloads {
		found, err := c.objects.Resource(kind).List(ctx, metav1.ListOptions{LabelSelector: labelLayer})
		if err != nil {
			return nil, err
		}
		for i := range found.Items {
			if why := unavailable(&found.Items[i]); why != "" {
				list = append(list, host.Finding{Check: "layer " + found.Items[i].GetLabels()[labelLayer], Severity: host.Blocks, Text: nameOf(&found.Items[i]) + ": " + why})
			}
		}
	}
	return list, nil
}

// unavailable is why a workload does not serve; that it is being changed is none.
func unavailable(o *unstructured.Unstructured) string {
	want, ready := count(o.Object), numberAt(o.Object, "status", "readyReplicas")
	if o.GetKind() == "DaemonSet" {
		want, ready = numberAt(o.Object, "status", "desiredNumberScheduled"), numberAt(o.Object, "status", "numberReady")
	}
	if ready < want {
		return fmt.Sprintf("%d of %d pods are ready", ready, want)
	}
	return ""
}

// Violation is a container that runs what it must not.
type Violation struct {
	Pod   string `json:"pod"`
	Image string `json:"image"`
	ID    string `json:"id"`
	Why   string `json:"why"`
}

// String is one line for people.
func (v Violation) String() string {
	return fmt.Sprintf("pod %s: %s (%s): %s", v.Pod, v.Image, v.ID, v.Why)
}

// VerifyPods finds containers whose image is not one of those that are allowed: by name,
// the digests of its index, manifests or configurations.
func (c *Client) VerifyPods(ctx context.Context, allowed map[string][]digest.Digest) (list []Violation, err error) {
	var known []digest.Digest
	for _, digests := range allowed {
		known = append(known, digests...)
	}
	err = c.retried(ctx, "pods", func(ctx context.Context) error {
		list = nil
		found, err := c.objects.Resource(podResource).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for i := range found.Items {
			list = append(list, violations(&found.Items[i], known)...)
		}
		return nil
	})
	return list, err
}

func violations(p *unstructured.Unstructured, known []digest.Digest) (list []Violation) {
	if p.GetDeletionTimestamp() != nil {
		return nil // it ends
	}
	for _, kind := range []string{"initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"} {
		for _, s := range listAt(p.Object, "status", kind) {
			id := textAt(s, "imageID")
			if id == "" {
				continue // it does not run yet
			}
			if !slices.Contains(known, digestIn(id)) {
				list = append(list, Violation{Pod: p.GetNamespace() + "/" + p.GetName(), Image: textAt(s, "image"), ID: id, Why: "no image of the definition has this digest"})
			}
		}
	}
	return list
}

// digestIn is the digest at the end of an image's id.
func digestIn(id string) digest.Digest {
	if i := strings.LastIndex(id, "@"); i >= 0 {
		id = id[i+1:]
	}
	return digest.Digest(id)
}
