package cluster_test

import (
	"reflect"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
)

// A document that a spec is written as is read as that spec.
func TestDocument(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"smallest": smallest, "whole": whole} {
		s, err := cluster.Parse(name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		content, err := s.Document()
		if err != nil {
			t.Fatal(err)
		}
		again, err := cluster.Parse(name, content)
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Errorf("%s: %v\n%+v\n%+v", name, err, s, again)
		}
	}
}
