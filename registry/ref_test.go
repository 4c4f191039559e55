package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/distribution/reference"

	"github.com/landfall-dev/landfall/registry"
)

const someDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestParseRef(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"nginx":                                "docker.io/library/nginx:latest",
		"nginx:1.27":                           "docker.io/library/nginx:1.27",
		"team/app":                             "docker.io/team/app:latest",
		"index.docker.io/nginx":                "docker.io/library/nginx:latest",
		"registry.k8s.io/pause:3.10":           "registry.k8s.io/pause:3.10",
		"localhost/a":                          "localhost/a:latest",
		"10.0.0.5:5000/team/app@" + someDigest: "10.0.0.5:5000/team/app@" + someDigest,
		"quay.io/a/b:1@" + someDigest:          "quay.io/a/b:1@" + someDigest,
	} {
		ref, err := registry.ParseRef(in)
		if err != nil || ref.String() != want {
			t.Errorf("ParseRef(%q) = %s, %v; want %s", in, ref, err, want)
		}
		if again, err := registry.ParseName(want); err != nil || again != ref {
			t.Errorf("ParseName(%q) = %+v, %v; want %+v", want, again, err, ref)
		}
	}
	for _, in := range []string{"", "UPPER", "a b", "a:", "a:b c", "/a", "a/", "a//b", "../a", "a@md5:00", "a@sha256:00",
		"quay.io/A", "quay.io/" + strings.Repeat("a", 300), "a:" + strings.Repeat("t", 129), "-.io/a"} {
		if ref, err := registry.ParseRef(in); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("ParseRef(%q) = %s, %v; want ErrInvalid", in, ref, err)
		}
	}
}

func TestRepositoryPath(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{
		"docker.io/library/nginx": "docker.io/library/nginx",
		"10.0.0.5:5000/team/app":  "10.0.0.5_5000/team/app",
		"localhost:5000/a":        "localhost_5000/a",
		"team_2/app":              "team_2/app",
		"app":                     "app",
	} {
		if got := registry.RepositoryPath(name); got != path {
			t.Errorf("RepositoryPath(%q) = %q, want %q", name, got, path)
		}
		if got := registry.RepositoryName(path); got != name {
			t.Errorf("RepositoryName(%q) = %q, want %q", path, got, name)
		}
	}
}

// References are read as Docker's own parser reads them.
func FuzzParseRef(f *testing.F) {
	for _, seed := range []string{"nginx", "a/b:c", "localhost:5000/a@" + someDigest, "[::1]:5000/a", "A.b/c", "a__b", "a/b/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := registry.ParseRef(s)
		docker, dockerErr := reference.ParseDockerRef(s)
		if err != nil {
			if !errors.Is(err, registry.ErrInvalid) {
				t.Fatalf("%q: %v, want ErrInvalid", s, err)
			}
			return
		}
		if again, err := registry.ParseName(ref.String()); err != nil || again != ref {
			t.Fatalf("%q: %s is read back as %+v, %v", s, ref, again, err)
		}
		if dockerErr != nil {
			t.Fatalf("%q: accepted as %s, Docker refuses it: %v", s, ref, dockerErr)
		}
		if want := docker.Name(); ref.Repository != want {
			t.Fatalf("%q: repository %s, Docker says %s", s, ref.Repository, want)
		}
	})
}

// Whatever is accepted as a manifest can be asked for its parts.
func FuzzParseManifest(f *testing.F) {
	f.Add(0, []byte(`{"schemaVersion":2,"config":{"digest":"`+someDigest+`","size":0},"layers":[]}`))
	f.Add(1, []byte(`{"schemaVersion":2,"manifests":[{"digest":"`+someDigest+`","size":1,"platform":{"os":"linux","architecture":"arm"}}]}`))
	f.Fuzz(func(t *testing.T, kind int, content []byte) {
		mediaType := registry.ManifestTypes[uint(kind)%uint(len(registry.ManifestTypes))]
		m, err := registry.ParseManifest(mediaType, content)
		if err != nil {
			if !errors.Is(err, registry.ErrInvalid) {
				t.Fatalf("%v, want ErrInvalid", err)
			}
			return
		}
		if registry.IsIndex(mediaType) == (len(m.Blobs) > 0) {
			t.Fatalf("%s with blobs %v", mediaType, m.Blobs)
		}
		for _, d := range append(m.Blobs, m.Children...) {
			if _, err := registry.ParseDigest(d.Digest.String()); err != nil || d.Size < 0 {
				t.Fatalf("accepted descriptor %+v", d)
			}
		}
	})
}
