package powerloss

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
)

// writer is one client that pushes and deletes; its repositories are its own.
type writer struct {
	*client
	ledger       *ledger
	random       *rand.Rand
	repositories []string
}

// operation is one thing that a writer does, so often among all.
type operation struct {
	kind   string
	weight int
	run    func(*writer) error
}

// operations are named by what they do; the names are what reports count.
var operations = []operation{
	{"push", 6, (*writer).pushImage},
	{"index push", 2, (*writer).pushIndex},
	{"tag move", 4, (*writer).moveTag},
	{"attachment", 2, (*writer).attach},
	{"loose blob", 1, (*writer).pushLoose},
	{"tag delete", 1, (*writer).deleteTag},
	{"manifest delete", 1, (*writer).deleteManifest},
}

// writers is how many work at once, each in this many repositories, on so many
// tags in each.
const (
	writers            = 3
	writerRepositories = 2
	writerTags         = 4
)

func newWriter(id int, c *client, l *ledger, random *rand.Rand) *writer {
	w := &writer{client: c, ledger: l, random: rand.New(rand.NewPCG(random.Uint64(), uint64(id)))}
	for i := range writerRepositories {
		w.repositories = append(w.repositories, fmt.Sprintf("team%d/app%d", id, i))
	}
	return w
}

// work does so many operations, chosen by weight.
func (w *writer) work(count int) error {
	var choice []operation
	for _, o := range operations {
		for range o.weight {
			choice = append(choice, o)
		}
	}
	for range count {
		o := choice[w.random.IntN(len(choice))]
		if err := o.run(w); err != nil {
			return fmt.Errorf("%s: %w", o.kind, err)
		}
	}
	return nil
}

// someName is a name of the writer, there or not.
func (w *writer) someName() name {
	return name{w.repositories[w.random.IntN(len(w.repositories))], fmt.Sprintf("v%d", w.random.IntN(writerTags))}
}

// shown is a name of the writer that is there, with its digest.
func (w *writer) shown() (n name, digest string, ok bool) {
	current := w.ledger.current(w.someName().repository)
	if len(current) == 0 {
		return name{}, "", false
	}
	names := slices.SortedFunc(maps.Keys(current), func(a, b name) int { return strings.Compare(a.tag, b.tag) })
	n = names[w.random.IntN(len(names))]
	return n, current[n], true
}

func (w *writer) pushImage() error {
	return w.pushTo("push", w.ledger.learn(newImage(w.random, 1+w.random.IntN(5))))
}

func (w *writer) pushIndex() error {
	return w.pushTo("index push", w.ledger.learn(newIndex(w.random)))
}

func (w *writer) pushTo(kind string, i *image) error {
	n := w.someName()
	return w.ledger.do(kind, func() error { return w.push(w.random, n.repository, n.tag, i) }, change{n, i.Digest})
}

// moveTag points one name at what another one shows. It is whole, so nothing
// has to be pushed for it, whatever is collected meanwhile.
func (w *writer) moveTag() error {
	from, digest, ok := w.shown()
	if !ok {
		return nil
	}
	to := name{from.repository, w.someName().tag}
	i := w.ledger.image(digest)
	return w.ledger.do("tag move", func() error { return w.putManifest(to.repository, to.tag, i) }, change{to, digest})
}

func (w *writer) attach() error {
	n, digest, ok := w.shown()
	if !ok {
		return nil
	}
	a := newAttachment(w.random, w.ledger.image(digest).descriptor)
	err := w.ledger.do("attachment", func() error { return w.push(w.random, n.repository, "", a) })
	if err == nil {
		w.ledger.attached(n.repository, digest, a.Digest)
	}
	return err
}

func (w *writer) pushLoose() error {
	n, content := w.someName(), noise(w.random.Uint64(), 2000+w.random.IntN(20_000))
	err := w.ledger.do("loose blob", func() error { return w.pushBlob(w.random, n.repository, content) })
	if err == nil {
		w.ledger.pushedLoose(n.repository, content)
	}
	return err
}

func (w *writer) deleteTag() error {
	n, _, ok := w.shown()
	if !ok {
		return nil
	}
	return w.ledger.do("tag delete", func() error { return w.delete(n.repository, n.tag) }, change{n, ""})
}

// deleteManifest takes all names of the repository that show it.
func (w *writer) deleteManifest() error {
	n, digest, ok := w.shown()
	if !ok {
		return nil
	}
	var changes []change
	for other, d := range w.ledger.current(n.repository) {
		if d == digest {
			changes = append(changes, change{other, ""})
		}
	}
	d := &deed{kind: "manifest delete", changes: changes, whole: true}
	return w.ledger.doDeed(d, func() error { return w.delete(n.repository, digest) })
}

// together runs all writers and what else is given, each to its end.
func together(runs ...func() error) error {
	results := make(chan error, len(runs))
	for _, run := range runs {
		go func() { results <- run() }()
	}
	var errs []error
	for range runs {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}

// wasRefused reports that the site answered what it must not, as opposed to
// that it was gone.
func wasRefused(err error) bool {
	if e := (*statusError)(nil); errors.As(err, &e) {
		return true
	}
	e := (*exec.ExitError)(nil)
	return errors.As(err, &e) && slices.Contains([]int{exitUsage, exitRefused, exitIncomplete}, e.ExitCode())
}
