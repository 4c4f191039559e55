package distro

import (
	"errors"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
)

// A table that somebody spoiled is named with its line, not believed.
func TestBadKubeadm(t *testing.T) {
	t.Parallel()
	for table, want := range map[string]string{
		"1.36.0 1.36.3 3.6.8-0 v1.14.2\n":                                              "kubeadm.txt:1: 4 fields",
		"# x\n\n1.36.0 1.37.0 3.6.8-0 v1.14.2 3.10.2\n":                                "kubeadm.txt:3: 1.36.0 1.37.0: two releases of one minor",
		"1.36.4 1.36.3 3.6.8-0 v1.14.2 3.10.2\n":                                       "1.36.4 is after 1.36.3",
		"v1.36.0 1.36.3 3.6.8-0 v1.14.2 3.10.2\n":                                      "two releases",
		"1.36.0 1.36.3 3.6.8/0 v1.14.2 3.10.2\n":                                       `"3.6.8/0" is no tag`,
		"1.36.0 1.36.3 3.6.8-0 v1.14.2 3.10.2\n1.36.3 1.36.4 3.6.8-0 v1.14.2 3.10.2\n": "kubeadm.txt:2: not newer",
		"1.36.0 1.36.3 3.6.8-0 v1.14.2 3.10.2\n1.9.0 1.9.4 3.6.8-0 v1.14.2 3.10.2\n":   "kubeadm.txt:2: not newer",
		"1.36.0 1.36.99999999999999999999999 3.6.8-0 v1.14.2 3.10.2\n":                 "two releases",
		"1.36.0  1.36.3 3.6.8-0 v1.14.2 3.10.2\n":                                      "6 fields",
	} {
		if _, err := readKubeadm(table); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", table, err)
		}
	}
}

func TestBadK3s(t *testing.T) {
	t.Parallel()
	for table, want := range map[string]string{
		"  docker.io/rancher/klipper-lb:v1\n":                           "k3s.txt:1: an image before",
		"1.36.3\n  docker.io/rancher/klipper-lb:v1\n":                   `"1.36.3" is no release`,
		"1.36.3+k3s1 1.36.3+k3s1\n  docker.io/rancher/klipper-lb:v1\n":  "k3s.txt:1: 1.36.3+k3s1 is there twice",
		"1.36.3+k3s1\n  docker.io/rancher/klipper-lb\n":                 "k3s.txt:2: ",
		"1.36.3+k3s1\n1.36.2+k3s1\n  docker.io/rancher/klipper-lb:v1\n": "1.36.3+k3s1 has no images",
	} {
		if _, err := readK3s(table); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", table, err)
		}
	}
}

func FuzzTables(f *testing.F) {
	f.Add(kubeadmTable)
	f.Add(k3sTable)
	f.Add("1.36.0 1.36.3 3.6.8-0 v1.14.2 3.10.2")
	f.Add("1.36.3+k3s1\n  docker.io/rancher/klipper-lb:v1\n")
	f.Fuzz(func(t *testing.T, table string) {
		for _, read := range []func(string) (*distribution, error){readKubeadm, readK3s} {
			d, err := read(table)
			if err != nil {
				if !errors.Is(err, registry.ErrInvalid) {
					t.Fatal(err)
				}
				continue
			}
			for _, v := range d.versions {
				if len(d.images(v)) == 0 {
					t.Fatalf("%s has no images", v)
				}
			}
		}
	})
}
