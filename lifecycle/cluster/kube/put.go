package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/landfall-dev/landfall/registry"
)

// written is an object as the server has it after it was put.
type written struct {
	now   *unstructured.Unstructured
	taken []claim // fields that others had set otherwise
}

// claim is a field that somebody else has set to another value.
type claim struct {
	field, manager string
	scaled         bool // by an autoscaler
}

// put applies one object by the server's own rules. Fields that the object does not have
// stay as others set them; those that it has are set, whoever set them before. A Job
// whose work differs is made again.
// https://kubernetes.io/docs/reference/using-api/server-side-apply/
func (c *Client) put(ctx context.Context, o *unstructured.Unstructured) (w written, err error) {
	var unknown time.Time // since when its kind is waited for
	var replaced types.UID
	err = c.until(ctx, nameOf(o), func(ctx context.Context) (string, error) {
		if replaced != "" {
			if there, err := c.live(ctx, keyOf(o)); err != nil || there != nil && there.GetUID() == replaced {
				return "the one before it ends", err
			}
		}
		w, err = c.apply(ctx, o, false)
		switch {
		case meta.IsNoMatchError(err):
			return c.unknownKind(o, &unknown)
		case apierrors.IsForbidden(err) && o.GetKind() == "Pod" && strings.Contains(err.Error(), "serviceaccount"):
			return err.Error(), nil // a new namespace has none for a moment
		case err != nil && strings.Contains(err.Error(), wrongType): // an internal error to the server
			return "", fmt.Errorf("%w: %w", registry.ErrInvalid, err)
		case !apierrors.IsInvalid(err):
			return "", err
		case o.GetKind() == "Job" && replaced == "" && fixed(err):
			replaced, err = c.removeJob(ctx, o)
			return "the one before it ends", err
		}
		return "", c.invalid(ctx, o, err)
	})
	return w, err
}

// wrongType begins what the server says of a field that has a value of another type, or
// that the kind does not have.
const wrongType = "failed to create typed patch object"

// unknownKind waits for a kind that the server does not know, for a while.
func (c *Client) unknownKind(o *unstructured.Unstructured, since *time.Time) (string, error) {
	if since.IsZero() {
		*since = time.Now()
	}
	if time.Since(*since) < c.opts.Kinds {
		return "the cluster does not know its kind, " + o.GroupVersionKind().String() + ", yet", nil
	}
	return "", fmt.Errorf("%w: the cluster knows no %s: the layer that brings it has to come before, or dependsOn name it", registry.ErrInvalid, o.GroupVersionKind())
}

// apply asks the server to apply an object, or what would come of it. Fields of others
// are asked for a second time, so that they can be named.
func (c *Client) apply(ctx context.Context, o *unstructured.Unstructured, dry bool) (w written, err error) {
	in, global, err := c.place(o.GroupVersionKind(), o.GetNamespace())
	if err != nil {
		return w, err
	}
	if global && o.GetNamespace() != "" {
		o = o.DeepCopy()
		o.SetNamespace("")
	}
	content, err := json.Marshal(o.Object)
	if err != nil {
		return w, err
	}
	options := metav1.PatchOptions{FieldManager: c.opts.Owner}
	if dry {
		options.DryRun = []string{metav1.DryRunAll}
	}
	w.now, err = in.Patch(ctx, o.GetName(), types.ApplyPatchType, content, options)
	w.taken = claims(err)
	if len(w.taken) == 0 {
		return w, err
	}
	if i := slices.IndexFunc(w.taken, func(c claim) bool { return c.scaled }); i >= 0 {
		w.taken = slices.Delete(w.taken, i, i+1)
		if content, err = withoutReplicas(o); err != nil {
			return w, err
		}
	}
	force := true
	options.Force = &force
	w.now, err = in.Patch(ctx, o.GetName(), types.ApplyPatchType, content, options)
	return w, err
}

// withoutReplicas is what is applied of a workload that an autoscaler has scaled: it knows
// better how many are needed.
func withoutReplicas(o *unstructured.Unstructured) ([]byte, error) {
	o = o.DeepCopy()
	unstructured.RemoveNestedField(o.Object, "spec", "replicas")
	return json.Marshal(o.Object)
}

var managerIn = regexp.MustCompile(`^conflict with "([^"]+)"`)

// autoscaler is how the server names Kubernetes' own, when it has scaled something.
const autoscaler = `conflict with "kube-controller-manager" with subresource "scale"`

// claims are the fields because of which an object was not applied.
func claims(err error) (list []claim) {
	for _, cause := range causesOf(err) {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			manager := cause.Message
			if found := managerIn.FindStringSubmatch(manager); found != nil {
				manager = found[1]
			}
			c := claim{field: strings.TrimPrefix(cause.Field, "."), manager: manager}
			c.scaled = c.field == "spec.replicas" && strings.HasPrefix(cause.Message, autoscaler)
			list = append(list, c)
		}
	}
	return list
}

func causesOf(err error) []metav1.StatusCause {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	return status.Status().Details.Causes
}

// fixed reports whether something is refused since it cannot be changed any more.
func fixed(err error) bool {
	return slices.ContainsFunc(causesOf(err), func(c metav1.StatusCause) bool { return unchangeable(c.Message) })
}

// unchangeable reports whether the server says of a field that its value is final.
func unchangeable(message string) bool {
	for _, words := range []string{"immutable", "may not change", "cannot change", "updates to ", "may not be changed", "cannot be changed"} {
		if strings.Contains(message, words) {
			return true
		}
	}
	return false
}

// removeJob takes away a Job that is there, when it is one of ours.
func (c *Client) removeJob(ctx context.Context, o *unstructured.Unstructured) (types.UID, error) {
	there, err := c.live(ctx, keyOf(o))
	if err != nil || there == nil {
		return "", err
	}
	if why := c.foreign(there, o.GetLabels()[labelLayer], ""); why != "" {
		return "", fmt.Errorf("%w: it cannot be changed, and is not made again since %s", registry.ErrConflict, why)
	}
	return there.GetUID(), c.remove(ctx, keyOf(o), there.GetUID())
}

// invalid is an error that names the fields that the server does not take.
func (c *Client) invalid(ctx context.Context, o *unstructured.Unstructured, err error) error {
	there, _ := c.live(ctx, keyOf(o)) // without it less can be said
	var texts []string
	for _, cause := range causesOf(err) {
		why := lastOf(cause.Message)
		if there == nil || !unchangeable(cause.Message) {
			texts = append(texts, "field "+cause.Field+": "+cause.Message)
			continue
		}
		names := []string{cause.Field}
		if found := narrowed(o.Object, there.Object, cause); len(found) > 0 {
			names = found
		}
		texts = append(texts, fmt.Sprintf("field %s cannot be changed: keep its value, give the object another name, or delete it first (%s)", strings.Join(names, ", "), why))
	}
	if len(texts) == 0 {
		return fmt.Errorf("%w: %w", registry.ErrInvalid, err)
	}
	return fmt.Errorf("%w: %s", registry.ErrInvalid, strings.Join(texts, "; "))
}

// lastOf is what a message says after the value that it begins with.
func lastOf(message string) string {
	if i := strings.LastIndex(message, ": "); i >= 0 {
		return message[i+2:]
	}
	return message
}

var quoted = regexp.MustCompile(`'([A-Za-z]+)'`)

// narrowed are the fields below one that the server does not let be changed which are to
// be otherwise. What its message quotes are those that may be.
func narrowed(want, have fields, cause metav1.StatusCause) (names []string) {
	if cause.Field == "" || strings.ContainsAny(cause.Field, "[") {
		return nil
	}
	path := strings.Split(cause.Field, ".")
	w, ok1 := at(want, path...).(fields)
	h, ok2 := at(have, path...).(fields)
	if !ok1 || !ok2 {
		return nil
	}
	var free []string
	for _, found := range quoted.FindAllStringSubmatch(cause.Message, -1) {
		free = append(free, found[1])
	}
	for _, name := range sortedKeys(w) {
		if !slices.Contains(free, name) && !within(w[name], h[name]) {
			names = append(names, cause.Field+"."+name)
		}
	}
	return names
}
