package kube

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// hooks makes the hooks of an event, one after another by weight, as Helm does, and waits
// for each to be done.
// https://helm.sh/docs/topics/charts_hooks/
func (c *Client) hooks(ctx context.Context, list []hook, event string, opts ApplyOptions) error {
	const before, succeeded, failed = "before-hook-creation", "hook-succeeded", "hook-failed"
	for _, h := range list {
		if !slices.Contains(h.events, event) {
			continue
		}
		opts.tell("%s hook %s", event, nameOf(h.Unstructured))
		if len(h.policy) == 0 || slices.Contains(h.policy, before) {
			if err := c.replace(ctx, h.Unstructured); err != nil {
				return err
			}
		}
		if err := c.put(ctx, h.Unstructured); err != nil {
			return err
		}
		err := c.awaitReady(ctx, []*unstructured.Unstructured{h.Unstructured}, opts)
		policy := succeeded
		if err != nil {
			policy = failed
		}
		if slices.Contains(h.policy, policy) {
			if e := c.retried(ctx, nameOf(h.Unstructured), func(ctx context.Context) error { return c.remove(ctx, keyOf(h.Unstructured)) }); err == nil {
				err = e
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// replace takes an object away that is there from before, and waits until it is gone.
func (c *Client) replace(ctx context.Context, o *unstructured.Unstructured) error {
	if err := c.retried(ctx, nameOf(o), func(ctx context.Context) error { return c.remove(ctx, keyOf(o)) }); err != nil {
		return err
	}
	return c.until(ctx, nameOf(o), func(ctx context.Context) (string, error) {
		there, err := c.live(ctx, keyOf(o))
		if err != nil || there == nil {
			return "", err
		}
		return "the one before it ends", nil
	})
}
