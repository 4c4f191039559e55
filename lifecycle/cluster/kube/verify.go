package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/registry"
)

// Violation is a container that runs what it must not.
type Violation struct {
	Pod       string `json:"pod"`
	Container string `json:"container"`
	Image     string `json:"image" doc:"As the pod names it"`
	ID        string `json:"id,omitempty" doc:"As the container runtime tells it; empty: it does not run yet"`
	Why       string `json:"why"`
	Outside   bool   `json:"outside,omitempty" doc:"It is in a namespace in which the definition has nothing"`
}

// String is one line for people.
func (v Violation) String() string {
	text := fmt.Sprintf("pod %s: container %s: %s", v.Pod, v.Container, v.Image)
	if v.ID != "" {
		text += " (" + v.ID + ")"
	}
	text += ": " + v.Why
	if v.Outside {
		text += "; its namespace is outside the definition"
	}
	return text
}

// VerifyPods finds containers whose image is not one of those that are allowed, by name,
// the digests of its index, manifests or configurations. Those in namespaces in which no
// layer has anything, and which are not Kubernetes' own, are marked as outside.
func (c *Client) VerifyPods(ctx context.Context, allowed map[string][]digest.Digest) (list []Violation, err error) {
	inside, err := c.namespaces(ctx)
	if err != nil {
		return nil, err
	}
	err = c.retried(ctx, "pods", func(ctx context.Context) error {
		list = nil
		return each(ctx, c.objects.Resource(podResource), metav1.ListOptions{}, func(p *unstructured.Unstructured) error {
			for _, v := range violations(p, allowed) {
				v.Outside = !inside[p.GetNamespace()]
				list = append(list, v)
			}
			return nil
		})
	})
	return list, err
}

// namespaces are those in which layers have objects, and Kubernetes' own.
func (c *Client) namespaces(ctx context.Context) (map[string]bool, error) {
	inside := map[string]bool{systemNamespace: true, ourNamespace: true}
	all, err := c.inventories(ctx)
	for _, i := range all {
		for _, e := range i.Objects {
			if e.Kind == "Namespace" {
				inside[e.Name] = true
			}
			inside[e.Namespace] = true
		}
	}
	return inside, err
}

// violations are those of one pod.
func violations(p *unstructured.Unstructured, allowed map[string][]digest.Digest) (list []Violation) {
	if phase := textAt(p.Object, "status", "phase"); p.GetDeletionTimestamp() != nil || phase == "Succeeded" || phase == "Failed" {
		return nil // it ends, or runs nothing any more
	}
	ids := map[string]string{}
	for _, s := range containers(p) {
		ids[textAt(s, "name")] = textAt(s, "imageID")
	}
	for _, kind := range []string{"initContainers", "containers", "ephemeralContainers"} {
		for _, container := range listAt(p.Object, "spec", kind) {
			v := Violation{Pod: p.GetNamespace() + "/" + p.GetName(), Container: textAt(container, "name"), Image: textAt(container, "image")}
			v.ID = ids[v.Container]
			if v.Why = unlike(v.Image, v.ID, allowed); v.Why != "" {
				list = append(list, v)
			}
		}
	}
	return list
}

// unlike is why an image is not one of the definition; "" when it is.
func unlike(image, id string, allowed map[string][]digest.Digest) string {
	digests, known := digestsOf(image, allowed)
	switch {
	case !known:
		return "the definition has no image of this name"
	case id == "": // it does not run yet
		return ""
	case slices.Contains(digests, digestIn(id)):
		return ""
	}
	for name, others := range allowed {
		if slices.Contains(others, digestIn(id)) {
			return "it runs " + name
		}
	}
	return "no image of the definition has this digest"
}

// digestsOf are those of the image that a pod names, by tag, by digest or by both.
func digestsOf(image string, allowed map[string][]digest.Digest) ([]digest.Digest, bool) {
	ref, err := registry.ParseRef(image)
	if err != nil {
		return nil, false
	}
	if list, known := allowed[ref.String()]; known {
		return list, true
	}
	for name, list := range allowed {
		other, err := registry.ParseRef(name)
		switch {
		case err != nil || other.Repository != ref.Repository:
		case ref.Digest != "" && slices.Contains(list, ref.Digest), ref.Digest == "" && ref.Tag == other.Tag:
			return list, true
		}
	}
	return nil, false
}

// digestIn is the digest at the end of an image's id.
func digestIn(id string) digest.Digest {
	if i := strings.LastIndex(id, "@"); i >= 0 {
		id = id[i+1:]
	}
	return digest.Digest(id)
}
