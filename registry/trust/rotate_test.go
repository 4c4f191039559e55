package trust_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// The canonical form of a policy is read back to the same policy.
func TestMarshal(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	text := k.policy.Marshal()
	again, err := trust.Parse("canonical", text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text), string(again.Marshal())); diff != "" {
		t.Error(diff)
	}
}

// A new key takes an old one's place when the old one says so, and as many more
// as the policy asks for at most.
func TestRotate(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	fresh := generate(t, trust.Ed25519)
	r := trust.Rotation{Created: noon, Old: k.a.ID(), OldUntil: noon.AddDate(0, 1, 0), New: fresh.Key}
	make := func(r trust.Rotation, keys ...*trust.PrivateKey) []byte {
		content, err := r.Marshal(keys)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	next, _, err := k.policy.Rotate(make(r, k.a, k.b), trust.State{}, noon)
	if err != nil {
		t.Fatal(err)
	}
	q := question(t, fresh)
	q.Created, q.Now = noon.Add(time.Hour), noon.Add(2*time.Hour)
	if _, err := next.Judge(trust.State{}, q); err != nil {
		t.Errorf("by the new key: %v", err)
	}
	q = question(t, k.a)
	if _, err := next.Judge(trust.State{}, q); err != nil {
		t.Errorf("by the old key, in time: %v", err)
	}
	q.Now = noon.AddDate(0, 2, 0)
	if _, err := next.Judge(trust.State{}, q); !errors.Is(err, registry.ErrUntrusted) {
		t.Errorf("by the old key, too late: %v", err)
	}
	if _, err := k.policy.Judge(trust.State{}, question(t, fresh)); err == nil {
		t.Error("the old policy knows the new key")
	}
	unknown, known := r, r
	unknown.Old = k.other.ID()
	known.New = k.b.Key
	for want, content := range map[string][]byte{
		"it has not signed the statement":           make(r, k.b, k.ed),
		"the policy asks for 2 signatures, 1 count": make(r, k.a, k.other),
		"was revoked":                              make(r, k.a, k.revoked),
		"it is not in the trust policy":            make(unknown, k.other, k.a, k.b),
		"is in the trust policy already":           make(known, k.a, k.b),
		"the signature is not one of this content": bytes.Replace(make(r, k.a, k.b), []byte(`"statement": "`), []byte(`"statement": "ICAg`), 1),
		"invalid: not a rotation statement: EOF":   {},
		"invalid: not a rotation statement: json":  []byte(`{"x":1}`),
	} {
		if _, _, err := k.policy.Rotate(content, trust.State{}, noon); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

func FuzzRotate(f *testing.F) {
	k := newBench(f)
	r := trust.Rotation{Created: noon, Old: k.a.ID(), OldUntil: noon, New: generate(f, trust.ECDSA).Key}
	content, err := r.Marshal([]*trust.PrivateKey{k.a})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Fuzz(func(t *testing.T, content []byte) {
		if _, _, err := k.policy.Rotate(content, trust.State{}, noon); err == nil {
			t.Fatal("a single key was enough")
		}
	})
}
