package kube

import (
	"context"
	"fmt"
	"strings"

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
	err = each(ctx, c.objects.Resource(podResource).Namespace(systemNamespace), options, func(p *unstructured.Unstructured) error {
		if p.GetDeletionTimestamp() != nil || textAt(p.Object, "status", "phase") == "Failed" && metav1.GetControllerOf(p) != nil {
			return nil // it ends, or another one has taken its place
		}
		if why, _ := pod(p.Object); why != "" {
			missing = append(missing, strings.TrimSpace("pod "+p.GetName()+": "+why+" "+waiting(p)))
		}
		return nil
	})
	if err != nil || node != "" {
		return missing, err
	}
	changing, err := c.systemWorkloads(ctx)
	return append(missing, changing...), err
}

// systemWorkloads are those of Kubernetes' own that are being changed. Until that is over
// no host may be emptied: while a proxy is replaced, its host does not learn where pods
// have gone.
func (c *Client) systemWorkloads(ctx context.Context) (missing []string, err error) {
	for _, kind := range workloads {
		err := each(ctx, c.objects.Resource(kind).Namespace(systemNamespace), metav1.ListOptions{}, func(o *unstructured.Unstructured) error {
			if why, _ := unready(o); why != "" {
				missing = append(missing, nameOf(o)+": "+why)
			}
			return nil
		})
		if err != nil {
			return nil, err
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
		if findings, err = c.lookShared(ctx); err != nil {
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
		err := each(ctx, c.objects.Resource(kind), metav1.ListOptions{LabelSelector: labelLayer}, func(o *unstructured.Unstructured) error {
			if why := unavailable(o); why != "" {
				list = append(list, host.Finding{Check: "layer " + o.GetLabels()[labelLayer], Severity: host.Blocks, Text: nameOf(o) + ": " + why})
			}
			return nil
		})
		if err != nil {
			return nil, err
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
