package definition_test

import (
	"fmt"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/definition"
)

// BenchmarkParse reads a definition of 500 images, about 1 MB.
func BenchmarkParse(b *testing.B) {
	d := sample()
	d.Images, d.Unused = nil, nil
	for i := range 500 {
		d.Images = append(d.Images, image(fmt.Sprintf("docker.io/library/nginx:%06d", i), fmt.Sprint(i), "kube"))
	}
	content := marshal(b, d)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if _, err := definition.Parse("x", content); err != nil {
			b.Fatal(err)
		}
	}
}
