package variable_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/variable"
)

// Messages show numbers as they were written, also within lists.
func TestNumbersInMessages(t *testing.T) {
	t.Parallel()
	sizes := variable.Declaration{Name: "v", Type: variable.Integer, Allowed: []any{1, 3, 5}}
	for _, c := range []struct {
		d     variable.Declaration
		value any
		want  string
	}{
		{sizes, 4, "4 is none of 1, 3, 5"},
		{variable.Declaration{Name: "v", Type: variable.Object}, []any{1, 2}, "[1 2] is not an object"},
		{variable.Declaration{Name: "v", Type: variable.String}, 1, "1 is not a text"},
	} {
		if _, err := c.d.Check(c.value); !strings.Contains(fmt.Sprint(err), ": "+c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	sizes.Allowed = []any{1, 3, 1}
	if err := sizes.Validate(); !strings.Contains(fmt.Sprint(err), "value 3: 1 is there twice") {
		t.Error(err)
	}
}
