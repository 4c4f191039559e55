package kube

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/registry"
)

// When hooks are deleted.
const (
	beforeCreation = "before-hook-creation"
	whenSucceeded  = "hook-succeeded"
	whenFailed     = "hook-failed"
)

// keepHooks takes over what is noted of hooks that are there from before and are made at
// none of these events.
func (a *application) keepHooks(events ...string) {
	for _, h := range a.set.hooks {
		if slices.ContainsFunc(events, func(e string) bool { return slices.Contains(h.events, e) }) {
			continue
		}
		if e := a.before.find(keyOf(h.Unstructured)); e.UID != "" {
			a.made = append(a.made, e)
		}
	}
}

// hooks makes the hooks of an event, one after another by weight, as Helm does, and waits
// for each to be done. Those that are to be deleted when they have succeeded go when all
// have, the last one first: one may need another.
// https://helm.sh/docs/topics/charts_hooks/
func (a *application) hooks(ctx context.Context, event string) error {
	var done []hook
	for _, h := range a.set.hooks {
		if !slices.Contains(h.events, event) {
			continue
		}
		a.opts.tell("%s hook %s", event, nameOf(h.Unstructured))
		if err := a.hook(ctx, h, event); err != nil {
			err = fmt.Errorf("%s hook: %w", event, err)
			return a.cleared(ctx, done, whenSucceeded, a.cleared(ctx, []hook{h}, whenFailed, err))
		}
		done = append(done, h)
	}
	return a.cleared(ctx, done, whenSucceeded, nil)
}

// cleared deletes hooks whose policy says so; the error of before counts more than one of
// that.
func (a *application) cleared(ctx context.Context, list []hook, policy string, before error) error {
	for _, h := range slices.Backward(list) {
		if !slices.Contains(h.policy, policy) || h.GetKind() == "CustomResourceDefinition" {
			continue
		}
		if err := a.clear(ctx, h.Unstructured); err != nil && before == nil {
			before = err
		}
		a.made = slices.DeleteFunc(a.made, func(e entry) bool { return e.same(keyOf(h.Unstructured)) })
	}
	return before
}

// hook makes one hook and waits for its end. One that an interrupted application of this
// very definition has made is not made again.
func (a *application) hook(ctx context.Context, h hook, event string) error {
	if err := mark(h.Unstructured, event); err != nil {
		return err
	}
	running, err := a.resumed(ctx, h)
	if err != nil {
		return err
	}
	ends := h.GetKind() == "Job" || h.GetKind() == "Pod" // by itself: it does its work once
	if !running && (ends || slices.Contains(h.policy, beforeCreation)) && h.GetKind() != "CustomResourceDefinition" {
		if err := a.clear(ctx, h.Unstructured); err != nil {
			return err
		}
	}
	a.made = slices.DeleteFunc(a.made, func(e entry) bool { return e.same(keyOf(h.Unstructured)) })
	if err := a.make(ctx, h.Unstructured, true); err != nil {
		return err
	}
	if !ends {
		return nil // that it is there is all that Helm waits for
	}
	return a.awaitDone(ctx, []*unstructured.Unstructured{h.Unstructured}, a.opts)
}

// mark notes at a hook what it is made of, and for which event.
func mark(o *unstructured.Unstructured, event string) error {
	o.SetAnnotations(with(o.GetAnnotations(), noteContent, event))
	content, err := json.Marshal(o.Object)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	o.SetAnnotations(with(o.GetAnnotations(), noteContent, hex.EncodeToString(sum[:])))
	return nil
}

// resumed reports whether a hook is there from an application of this definition that was
// interrupted, and has not failed: it runs still, or has done its work.
func (a *application) resumed(ctx context.Context, h hook) (bool, error) {
	if a.before.Applied == a.layer.Definition {
		return false, nil // it may be from the last whole application
	}
	now, err := a.liveNow(ctx, keyOf(h.Unstructured))
	if err != nil || now == nil || now.GetDeletionTimestamp() != nil {
		return false, err
	}
	if now.GetAnnotations()[noteContent] != h.GetAnnotations()[noteContent] || a.foreign(now, a.layer.Name, "") != "" {
		return false, nil
	}
	_, failed := unready(now)
	return !failed, nil
}

// clear takes a hook away that is there from before, and waits until it is gone.
func (a *application) clear(ctx context.Context, o *unstructured.Unstructured) error {
	now, err := a.liveNow(ctx, keyOf(o))
	if err != nil || now == nil {
		return err
	}
	if why := a.foreign(now, a.layer.Name, ""); why != "" {
		return fmt.Errorf("%s: %w: it would have to be made again, and %s: delete it, or give the hook another name", nameOf(o), registry.ErrConflict, why)
	}
	if err := a.retried(ctx, nameOf(o), func(ctx context.Context) error { return a.remove(ctx, keyOf(o), now.GetUID()) }); err != nil {
		return err
	}
	return a.awaitGone(ctx, entry{key: keyOf(o), UID: now.GetUID()})
}
