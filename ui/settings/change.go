package settings

import "slices"

// Diff lists the fields whose values differ: those that can come into force
// while the appliance runs, and those that want a restart.
func Diff(old, new *Effective) (reloadable, needRestart []string) {
	for _, f := range table {
		switch {
		case slices.Equal(old.texts[f.Name], new.texts[f.Name]):
		case f.Reload:
			reloadable = append(reloadable, f.Name)
		default:
			needRestart = append(needRestart, f.Name)
		}
	}
	return reloadable, needRestart
}

// Follow is what is in force when the sources of e now say next: e, but for the
// fields that need no restart. Diff says which are which.
func (e *Effective) Follow(next *Effective) (*Effective, error) {
	all := newLayer()
	for _, f := range table {
		from := next
		if !f.Reload && !slices.Equal(e.texts[f.Name], next.texts[f.Name]) {
			from = e
		}
		all.texts[f.Name], all.origins[f.Name] = from.texts[f.Name], from.origins[f.Name]
	}
	followed, err := build(all)
	if err != nil {
		return nil, err
	}
	followed.File, followed.Warnings = next.File, next.Warnings
	return followed, nil
}
