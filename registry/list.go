package registry

import (
	"iter"
	"slices"
)

// Names yields names as Lister promises them: in ascending byte order, each
// once, those greater than after only. It sorts the slice that it is given.
func Names(names []string, after string) iter.Seq2[string, error] {
	slices.Sort(names)
	names = slices.Compact(names)
	return func(yield func(string, error) bool) {
		for _, name := range names {
			if name > after && !yield(name, nil) {
				return
			}
		}
	}
}

// NoNames yields an error in place of names.
func NoNames(err error) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("", err) }
}
