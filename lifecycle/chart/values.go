package chart

import "maps"

// Merge lays values over others as Helm does: maps by key, all else as a whole. It
// changes neither, and is nil when both are empty.
func Merge(under, over map[string]any) map[string]any {
	if len(under) == 0 && len(over) == 0 {
		return nil
	}
	values := maps.Clone(under)
	if values == nil {
		values = map[string]any{}
	}
	for key, v := range over {
		a, isMap := values[key].(map[string]any)
		b, isToo := v.(map[string]any)
		if isMap && isToo {
			values[key] = Merge(a, b)
			continue
		}
		values[key] = v
	}
	return values
}
