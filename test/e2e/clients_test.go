package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// signed is an image for two platforms with what refers to it, in one
// repository of a registry.
type signed struct {
	ref         string
	digest      v1.Hash // of the index at tag 1
	referrer    v1.Hash // a manifest with the index as its subject
	fallbackTag string  // a cosign-style signature's tag
}

func pushSigned(t *testing.T, repository string) signed {
	t.Helper()
	s := signed{ref: repository + ":1"}
	s.digest = push(t, s.ref, helloIndex(t, oci, "signed"))
	subject := descriptorOf(t, s.ref)
	referrer := attachment(t, "by subject", &subject)
	s.referrer = must(referrer.Digest())(t)
	push(t, repository+"@"+s.referrer.String(), referrer)
	s.fallbackTag = strings.Replace(s.digest.String(), ":", "-", 1) + ".sig"
	push(t, repository+":"+s.fallbackTag, attachment(t, "by tag", nil))
	return s
}

// regctl is the command for registries without TLS.
func regctl(hosts ...string) []string {
	args := []string{tool("regctl")}
	for _, h := range hosts {
		args = append(args, "--host", "reg="+h+",tls=disabled")
	}
	return args
}

func TestCraneRegctl(t *testing.T) {
	up := newUpstream(t)
	s := pushSigned(t, up.address+"/team/signed")
	address := serve(t, t.TempDir())

	t.Run("crane", func(t *testing.T) { craneCopiesInAndOut(t, s, address) })
	t.Run("regctl", func(t *testing.T) { regctlCopiesWithReferrers(t, s, up.address, address) })
}

func craneCopiesInAndOut(t *testing.T, s signed, address string) {
	crane := func(args ...string) string {
		return run(t, append([]string{tool("crane")}, append(args, "--insecure")...)...)
	}
	in, out := address+"/quay.io/team/crane:1", newUpstream(t).address+"/back:1"
	crane("copy", s.ref, in)
	crane("copy", in, out)
	for _, ref := range []string{in, out} {
		if got := crane("digest", ref); got != s.digest.String() {
			t.Errorf("%s is %s, want %s", ref, got, s.digest)
		}
		crane("validate", "--remote", ref)
	}
	crane("tag", in, "2")
	if got := strings.Fields(crane("ls", address+"/quay.io/team/crane")); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("crane ls: %v", got)
	}
	if got := strings.Fields(crane("catalog", address)); !slices.Contains(got, "quay.io/team/crane") {
		t.Errorf("crane catalog: %v", got)
	}
	layout := filepath.Join(t.TempDir(), "layout")
	crane("pull", "--format=oci", in, layout)
	crane("push", layout, address+"/quay.io/team/again:1")
	crane("delete", address+"/quay.io/team/crane:2")
	if got := strings.Fields(crane("ls", address+"/quay.io/team/crane")); !slices.Equal(got, []string{"1"}) {
		t.Errorf("crane ls after deleting tag 2: %v", got)
	}
}

func regctlCopiesWithReferrers(t *testing.T, s signed, from, address string) {
	backAddress := newUpstream(t).address
	regctl := regctl(from, address, backAddress)
	in, back := address+"/quay.io/team/regctl", backAddress+"/back"
	run(t, append(regctl, "image", "copy", "--referrers", "--digest-tags", s.ref, in+":1")...)
	run(t, append(regctl, "image", "copy", "--referrers", "--digest-tags", in+":1", back+":1")...)
	for _, repository := range []string{in, back} {
		if got := run(t, append(regctl, "image", "digest", repository+":1")...); got != s.digest.String() {
			t.Errorf("%s is %s, want %s", repository, got, s.digest)
		}
		if tags := run(t, append(regctl, "tag", "ls", repository)...); !strings.Contains(tags, s.fallbackTag) {
			t.Errorf("%s lost the signature's tag: %s", repository, tags)
		}
		if list := run(t, append(regctl, "artifact", "list", repository+":1")...); !strings.Contains(list, s.referrer.String()) {
			t.Errorf("%s lost the referrer %s:\n%s", repository, s.referrer, list)
		}
	}
}

// The referrers travel by default, through the file too.
func TestBundleCarriesReferrers(t *testing.T) {
	up := newUpstream(t)
	s := pushSigned(t, up.address+"/team/signed")
	bundle := createBundle(t, s.ref)
	up.close()
	address := site(t, bundle)

	regctl := regctl(address)
	repository := address + "/" + strings.Replace(up.address, ":", "_", 1) + "/team/signed"
	if got := digestOf(t, repository+":1"); got != s.digest {
		t.Errorf("%s:1 is %s, want %s", repository, got, s.digest)
	}
	if list := run(t, append(regctl, "artifact", "list", repository+":1")...); !strings.Contains(list, s.referrer.String()) {
		t.Errorf("the referrer %s did not travel:\n%s", s.referrer, list)
	}
	if tags := run(t, append(regctl, "tag", "ls", repository)...); !strings.Contains(tags, s.fallbackTag) {
		t.Errorf("the signature's tag did not travel: %s", tags)
	}
	run(t, tool("crane"), "validate", "--insecure", "--remote", repository+":1")
}
