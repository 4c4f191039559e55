package kube

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/registry"
)

// live is an object as it is now, nil when it is not there.
func (c *Client) live(ctx context.Context, k key) (*unstructured.Unstructured, error) {
	in, err := c.resource(k.kind(), k.Namespace)
	if meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	o, err := in.Get(ctx, k.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return o, err
}

// liveNow is live, tried until the server answers.
func (c *Client) liveNow(ctx context.Context, k key) (o *unstructured.Unstructured, err error) {
	err = c.retried(ctx, k.String(), func(ctx context.Context) error {
		o, err = c.live(ctx, k)
		return err
	})
	return o, err
}

// awaitReady waits until objects are as they are to be. What can never get ready by
// itself is an error at once.
func (c *Client) awaitReady(ctx context.Context, objects []*unstructured.Unstructured, opts ApplyOptions) error {
	return c.await(ctx, objects, unready, opts)
}

// awaitDone waits until Jobs and Pods have done their work.
func (c *Client) awaitDone(ctx context.Context, objects []*unstructured.Unstructured, opts ApplyOptions) error {
	return c.await(ctx, objects, undone, opts)
}

// await waits until a judge finds nothing missing at any of the objects. Those that were
// found ready are looked at again only when all were.
func (c *Client) await(ctx context.Context, objects []*unstructured.Unstructured, judge func(*unstructured.Unstructured) (string, bool), opts ApplyOptions) error {
	open, words := objects, map[key]string{}
	return c.until(ctx, "its objects", func(ctx context.Context) (string, error) {
		for {
			var still []*unstructured.Unstructured
			var missing []string
			for _, o := range open {
				why, err := c.missing(ctx, o, judge, words)
				if err != nil {
					return "", err
				}
				if why != "" {
					missing, still = append(missing, nameOf(o)+": "+why), append(still, o)
				}
			}
			if len(missing) > 0 {
				open = still
				opts.tell("%d of %d objects are not ready: %s", len(missing), len(objects), joinLines(missing))
				return joinLines(missing), nil
			}
			if len(open) == len(objects) {
				return "", nil
			}
			open = objects
		}
	})
}

// missing is what an object lacks. Words are what its pods have said last, since pods of
// what has failed may be gone.
func (c *Client) missing(ctx context.Context, o *unstructured.Unstructured, judge func(*unstructured.Unstructured) (string, bool), words map[key]string) (string, error) {
	now, err := c.live(ctx, keyOf(o))
	if err != nil {
		return "", err
	}
	if now == nil && passesBy(o) {
		return "", nil
	}
	if now == nil {
		return "it is not there", nil
	}
	why, failed := judge(now)
	if why == "" {
		return "", nil
	}
	if said := c.podsSay(ctx, now); said != "" {
		words[keyOf(o)] = said
	}
	why += words[keyOf(o)]
	if failed {
		return "", fmt.Errorf("%w: %s: %s", registry.ErrConflict, nameOf(o), why)
	}
	return why, nil
}

// passesBy reports whether an object is taken away by itself when it has done its work.
func passesBy(o *unstructured.Unstructured) bool {
	return o.GetKind() == "Job" && at(o.Object, "spec", "ttlSecondsAfterFinished") != nil
}

// undone is unready for what is to end.
func undone(o *unstructured.Unstructured) (why string, failed bool) {
	if why, failed = unready(o); why == "" && o.GetKind() == "Pod" && textAt(o.Object, "status", "phase") != "Succeeded" {
		return "it is not done", false
	}
	return why, failed
}

// unready is why an object is not ready, "" when it is; failed when it will not get so.
func unready(o *unstructured.Unstructured) (why string, failed bool) {
	f := o.Object
	if seen := numberAt(f, "status", "observedGeneration"); at(f, "status", "observedGeneration") != nil && seen < o.GetGeneration() {
		return "its newest version was not looked at yet", false
	}
	switch o.GroupVersionKind().GroupKind().String() {
	case "Deployment.apps":
		return deployment(f)
	case "StatefulSet.apps":
		return replicas(f, "updatedReplicas", "readyReplicas"), false
	case "ReplicaSet.apps":
		return replicas(f, "replicas", "readyReplicas"), false
	case "DaemonSet.apps":
		return daemons(f), false
	case "Job.batch":
		return job(f)
	case "Pod":
		return pod(f)
	case "CustomResourceDefinition.apiextensions.k8s.io":
		return wanted(f, "Established"), false
	case "APIService.apiregistration.k8s.io":
		return wanted(f, "Available"), false
	}
	return "", false
}

func wanted(f fields, kind string) string {
	if status, why := condition(f, kind); status != "True" {
		return "it is not " + kind + " yet: " + why
	}
	return ""
}

// count is a number of replicas that are wanted: one when nobody says.
func count(f fields) int64 {
	if at(f, "spec", "replicas") == nil {
		return 1
	}
	return numberAt(f, "spec", "replicas")
}

func deployment(f fields) (string, bool) {
	if at(f, "status", "observedGeneration") == nil {
		return "nobody looked at it yet", false
	}
	if truthAt(f, "spec", "paused") {
		return "", false
	}
	want := count(f)
	updated, total, available := numberAt(f, "status", "updatedReplicas"), numberAt(f, "status", "replicas"), numberAt(f, "status", "availableReplicas")
	why := ""
	switch {
	case updated < want:
		why = fmt.Sprintf("%d of %d replicas are new", updated, want)
	case total > updated:
		why = fmt.Sprintf("%d replicas of before have not ended", total-updated)
	case available < want:
		why = fmt.Sprintf("%d of %d replicas are available", available, want)
	}
	if status, text := condition(f, "Progressing"); why != "" && status == "False" && strings.HasPrefix(text, "ProgressDeadlineExceeded") {
		return why + "; its deadline has passed", true
	}
	return why, false
}

func replicas(f fields, made, ready string) string {
	want := count(f)
	if n := numberAt(f, "status", made); n < want {
		return fmt.Sprintf("%d of %d replicas are new", n, want)
	}
	if n := numberAt(f, "status", ready); n < want {
		return fmt.Sprintf("%d of %d replicas are ready", n, want)
	}
	return ""
}

func daemons(f fields) string {
	if at(f, "status", "observedGeneration") == nil {
		return "nobody looked at it yet"
	}
	want := numberAt(f, "status", "desiredNumberScheduled")
	if n := numberAt(f, "status", "updatedNumberScheduled"); n < want && textAt(f, "spec", "updateStrategy", "type") != "OnDelete" {
		return fmt.Sprintf("%d of %d pods are new", n, want)
	}
	if n := numberAt(f, "status", "numberReady"); n < want {
		return fmt.Sprintf("%d of %d pods are ready", n, want)
	}
	return ""
}

func job(f fields) (string, bool) {
	if status, why := condition(f, "Failed"); status == "True" {
		return "it failed: " + why, true
	}
	if status, _ := condition(f, "Complete"); status == "True" || truthAt(f, "spec", "suspend") {
		return "", false
	}
	return "it is not done", false
}

func pod(f fields) (string, bool) {
	switch phase := textAt(f, "status", "phase"); phase {
	case "Succeeded":
		return "", false
	case "Failed":
		return "it failed: " + textAt(f, "status", "message"), true
	}
	return wanted(f, "Ready"), false
}
