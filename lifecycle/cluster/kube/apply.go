package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/registry"
)

// ApplyOptions say how a layer is applied, or taken away.
type ApplyOptions struct {
	Limit    time.Duration // for which it may take until it is ready; 0: until the context ends
	Progress func(string)  // nil: nobody is told
}

func (o ApplyOptions) tell(format string, args ...any) {
	if o.Progress != nil {
		o.Progress(fmt.Sprintf(format, args...))
	}
}

// limited is the context for as long as it may take.
func (o ApplyOptions) limited(ctx context.Context, what string) (context.Context, context.CancelFunc) {
	if o.Limit <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, o.Limit, fmt.Errorf("%w: %s within %s", registry.ErrConflict, what, o.Limit))
}

// Applied is what came of a layer.
type Applied struct {
	Objects int      `json:"objects"`
	Pruned  []string `json:"pruned,omitempty"` // that a version before had
	Left    []string `json:"left,omitempty"`   // that it had and that stay, with the reason
	Taken   []string `json:"taken,omitempty"`  // fields that others had set otherwise, with who it was
}

// What is on every object of a layer.
const (
	labelLayer     = "landfall.dev/layer"
	noteDefinition = "landfall.dev/definition" // the version that made it
	noteContent    = "landfall.dev/content"    // at hooks: a digest of what was applied
)

// Apply brings a layer to what it is to be, waits until it is ready, and takes away what
// a version before had and this one has not. It goes on where it was interrupted: what
// is as it should be is left alone. ErrConflict says which objects do not get ready, and
// why; nothing is taken away then.
func (c *Client) Apply(ctx context.Context, l Layer, opts ApplyOptions) (*Applied, error) {
	ctx, cancel := opts.limited(ctx, "layer "+l.Name+" did not get ready")
	defer cancel()
	set, err := c.read(l)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", l.Name, err)
	}
	before, err := c.inventory(ctx, l.Name)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", l.Name, err)
	}
	a := &application{Client: c, layer: l, opts: opts, set: set, before: before, applied: &Applied{Objects: len(set.objects)}}
	if err := a.do(ctx); err != nil {
		return a.applied, fmt.Errorf("layer %s: %w", l.Name, err)
	}
	return a.applied, nil
}

// application is a layer that is being applied.
type application struct {
	*Client
	layer   Layer
	opts    ApplyOptions
	set     *set
	before  *inventory
	made    []entry // objects and hooks that are there, as far as this has come
	applied *Applied
}

func (a *application) do(ctx context.Context) error {
	if err := a.makeNamespaces(ctx, a.layer); err != nil {
		return err
	}
	// What there may be from now on is noted first, so that nothing is ever forgotten.
	wanted := a.set.entries()
	old := a.before.without(wanted)
	if err := a.note(ctx, append(slices.Clone(old), wanted...), a.before.Applied); err != nil {
		return err
	}
	if err := a.between(ctx); err != nil {
		return err
	}
	p := &pruning{Client: a.Client, layer: a.layer.Name, tell: a.opts.tell, applied: a.applied}
	if err := p.prune(ctx, old); err != nil {
		return err
	}
	return a.note(ctx, a.made, a.layer.Definition)
}

func (a *application) note(ctx context.Context, list []entry, applied string) error {
	return a.writeInventory(ctx, &inventory{Layer: a.layer.Name, Applied: applied, Objects: list}, a.layer.Definition)
}

// between applies the objects of a layer between its hooks.
func (a *application) between(ctx context.Context) error {
	pre, post := "pre-install", "post-install"
	if a.before.Applied != "" {
		pre, post = "pre-upgrade", "post-upgrade"
	}
	a.keepHooks(pre, post)
	if err := a.hooks(ctx, pre); err != nil {
		return err
	}
	for i, o := range a.set.objects {
		a.opts.tell("applies %s (%d of %d)", nameOf(o), i+1, len(a.set.objects))
		if err := a.make(ctx, o, false); err != nil {
			return err
		}
	}
	if err := a.awaitReady(ctx, a.set.objects, a.opts); err != nil {
		return err
	}
	return a.hooks(ctx, post)
}

// make puts one object, and notes which one it is now.
func (a *application) make(ctx context.Context, o *unstructured.Unstructured, hook bool) error {
	w, err := a.put(ctx, o)
	if err != nil {
		return err
	}
	for _, t := range w.taken {
		text := fmt.Sprintf("%s: %s (was set by %s)", nameOf(o), t.field, t.manager)
		a.opts.tell("sets back %s", text)
		a.applied.Taken = append(a.applied.Taken, text)
	}
	a.made = append(a.made, entry{key: keyOf(o), UID: w.now.GetUID(), Hook: hook})
	if o.GetKind() != "CustomResourceDefinition" {
		return nil
	}
	defer a.mapper.Reset() // objects of its kind may follow
	return a.awaitReady(ctx, []*unstructured.Unstructured{o}, a.opts)
}

// nameOf is "Deployment default/web".
func nameOf(o *unstructured.Unstructured) string { return keyOf(o).String() }

// makeNamespaces makes the namespaces of a layer's units that are not there, and ours.
func (c *Client) makeNamespaces(ctx context.Context, l Layer) error {
	names := []string{ourNamespace}
	for _, u := range l.Units {
		if u.Namespace != "" && !slices.Contains(names, u.Namespace) {
			names = append(names, u.Namespace)
		}
	}
	for _, name := range names {
		o := &unstructured.Unstructured{Object: fields{"apiVersion": "v1", "kind": "Namespace", "metadata": fields{"name": name}}}
		err := c.until(ctx, nameOf(o), func(ctx context.Context) (string, error) {
			in := c.objects.Resource(namespaceResource)
			_, err := in.Create(ctx, o, metav1.CreateOptions{FieldManager: c.opts.Owner})
			if !apierrors.IsAlreadyExists(err) {
				return "", err
			}
			there, err := in.Get(ctx, name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) || err == nil && there.GetDeletionTimestamp() != nil {
				return "the one before it ends", nil
			}
			return "", err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

var errNoObject = errors.New("a document is no object: it needs apiVersion, kind and metadata.name")

func joinLines(texts []string) string { return strings.Join(texts, "; ") }
