package trust_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// bench is a policy with keys of every state, and a bundle that it lets in.
type bench struct {
	policy                                    *trust.Policy
	a, b, expired, future, revoked, other, ed *trust.PrivateKey
}

func newBench(t testing.TB) *bench {
	t.Helper()
	k := &bench{}
	for _, to := range []**trust.PrivateKey{&k.a, &k.b, &k.expired, &k.future, &k.revoked, &k.other} {
		*to = generate(t, trust.ECDSA)
	}
	k.ed = generate(t, trust.Ed25519)
	k.policy = policy(t, "keys:\n"+
		keyYAML(k.a, "anna", "channels: [stable, twice, free]")+
		keyYAML(k.b, "ben", "channels: ['*']")+
		keyYAML(k.ed, "ed", "channels: ['**']")+
		keyYAML(k.expired, "eve", "channels: [stable]\n    notAfter: 2026-11-01")+
		keyYAML(k.future, "fay", "channels: [stable]\n    notBefore: 2027-01-01")+
		keyYAML(k.revoked, "rob", "channels: [stable]\n    revoked: {since: 2026-06-01, reason: laptop lost}")+
		"bundles:\n- {channel: stable, maxAge: 30d}\n- {channel: twice, signatures: 2}\n- {channel: free, rollback: allow}\n")
	return k
}

// question is a bundle of channel stable, an hour old, signed by the keys.
func question(t testing.TB, keys ...*trust.PrivateKey) trust.Question {
	q := trust.Question{Now: noon}
	q.Statement = trust.Statement{ID: "b1", Channel: "stable", Sequence: 7, Created: noon.Add(-time.Hour)}
	q.Payload = []byte("header")
	for _, k := range keys {
		q.Signatures = append(q.Signatures, sign(t, k, "header"))
	}
	return q
}

func TestJudge(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	seen := trust.State{Channels: map[string]trust.Accepted{"stable": {Sequence: 7, Bundle: "b0"}, "free": {Sequence: 99, Bundle: "b0"}}, Newest: noon.Add(-2 * time.Hour)}
	for name, c := range map[string]struct {
		keys   []*trust.PrivateKey
		change func(*trust.Question)
		want   string // of the refusal; empty: it is let in
	}{
		"good":               {keys: []*trust.PrivateKey{k.a}},
		"ed25519":            {keys: []*trust.PrivateKey{k.ed}},
		"another beside":     {keys: []*trust.PrivateKey{k.other, k.a}},
		"unsigned":           {want: "it is not signed"},
		"unknown key":        {keys: []*trust.PrivateKey{k.other}, want: "is not in the trust policy"},
		"expired key":        {keys: []*trust.PrivateKey{k.expired}, want: "of eve, which signed it, has expired on 2026-11-01"},
		"not yet valid":      {keys: []*trust.PrivateKey{k.future}, want: "is valid from 2027-01-01 on"},
		"revoked":            {keys: []*trust.PrivateKey{k.revoked}, want: "was revoked on 2026-06-01: laptop lost"},
		"revoked, backdated": {keys: []*trust.PrivateKey{k.revoked}, change: func(q *trust.Question) { q.Created = noon.AddDate(0, -8, 0) }, want: "was revoked"},
		"expired, backdated": {keys: []*trust.PrivateKey{k.expired}, change: func(q *trust.Question) { q.Created = noon.AddDate(0, -1, 0) }, want: "has expired on 2026-11-01"},
		"other channel":      {keys: []*trust.PrivateKey{k.a}, change: func(q *trust.Question) { q.Channel = "edge" }, want: "may not sign for channel edge"},
		"deeper channel":     {keys: []*trust.PrivateKey{k.b}, change: func(q *trust.Question) { q.Channel = "edge/a" }, want: "may not sign for channel edge/a"},
		"any channel":        {keys: []*trust.PrivateKey{k.ed}, change: func(q *trust.Question) { q.Channel = "edge/a" }},
		"no channel":         {keys: []*trust.PrivateKey{k.a}, change: func(q *trust.Question) { q.Channel = "" }, want: "may not sign for bundles without a channel"},
		"no channel, all":    {keys: []*trust.PrivateKey{k.b}, change: func(q *trust.Question) { q.Channel = "" }},
		"k-1 of n":           {keys: []*trust.PrivateKey{k.a, k.other}, change: func(q *trust.Question) { q.Channel = "twice" }, want: "channel twice needs signatures of 2 keys, 1 count"},
		"k of n":             {keys: []*trust.PrivateKey{k.a, k.b}, change: func(q *trust.Question) { q.Channel = "twice" }},
		"same key twice": {keys: []*trust.PrivateKey{k.a, k.a}, change: func(q *trust.Question) { q.Channel = "twice" },
			want: "needs signatures of 2 keys, 1 count"},
		"other content":  {keys: []*trust.PrivateKey{k.a}, change: func(q *trust.Question) { q.Payload = []byte("other") }, want: "the signature is not one of this content"},
		"replayed":       {keys: []*trust.PrivateKey{k.a}, change: func(q *trust.Question) { q.Sequence = 6 }, want: "it is sequence 6 of channel stable, the site is at 7 (bundle b0)"},
		"replay allowed": {keys: []*trust.PrivateKey{k.a}, change: func(q *trust.Question) { q.Channel, q.Sequence = "free", 1 }},
		"loose":          {keys: []*trust.PrivateKey{k.a}, change: func(q *trust.Question) { q.Sequence = 0 }},
		"expired":        {keys: []*trust.PrivateKey{k.a}, change: func(q *trust.Question) { q.Expires = noon.Add(-time.Minute) }, want: "it has expired on 2026-11-27T11:59:00Z (the clock says 2026-11-27T12:00:00Z)"},
		"too old":        {keys: []*trust.PrivateKey{k.a}, change: func(q *trust.Question) { q.Created = noon.AddDate(0, 0, -31) }, want: "it is 31 days old, the policy allows 30 days"},
		"clock of 2090":  {keys: []*trust.PrivateKey{k.a}, change: func(q *trust.Question) { q.Now = noon.AddDate(64, 0, 0) }, want: "days old, the policy allows 30 days (the clock says 2090-11-27T12:00:00Z)"},
		"clock of 1970":  {keys: []*trust.PrivateKey{k.a}, change: func(q *trust.Question) { q.Now = time.Unix(0, 0) }},
		"old at 1970":    {keys: []*trust.PrivateKey{k.a}, change: func(q *trust.Question) { q.Now, q.Created = time.Unix(0, 0), noon.AddDate(0, -2, 0) }, want: "(the newest bundle known says 2026-11-27T10:00:00Z)"},
		"named key":      {keys: []*trust.PrivateKey{k.a, k.b}, change: func(q *trust.Question) { q.Keys = []trust.Key{k.a.Key} }},
		"not the named":  {keys: []*trust.PrivateKey{k.b}, change: func(q *trust.Question) { q.Keys = []trust.Key{k.a.Key} }, want: "is not one of those given with --key"},
		"named, unknown": {keys: []*trust.PrivateKey{k.other}, change: func(q *trust.Question) { q.Keys = []trust.Key{k.other.Key} }, want: "is not in the trust policy"},
	} {
		q := question(t, c.keys...)
		if c.change != nil {
			c.change(&q)
		}
		v, err := k.policy.Judge(seen, q)
		if c.want == "" {
			if err != nil || len(v.Signers) == 0 {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !errors.Is(err, registry.ErrUntrusted) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", name, err, c.want)
		}
	}
}

// The state follows what was let in, and only that.
func TestState(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	var state trust.State
	let := func(q trust.Question) *trust.Verdict {
		t.Helper()
		v, err := k.policy.Judge(state, q)
		if err != nil {
			t.Fatal(err)
		}
		state = v.Apply(state)
		return v
	}
	q := question(t, k.a)
	let(q)
	if at := state.Channels["stable"]; at.Sequence != 7 || at.Bundle != "b1" || !state.Newest.Equal(q.Created) {
		t.Errorf("after the first: %+v", state)
	}
	q.ID, q.Sequence, q.Now = "b2", 8, time.Unix(0, 0)
	if v := let(q); len(v.Warnings) != 2 || !strings.Contains(v.Warnings[0], "the clock is behind: it says 1970-01-01T00:00:00Z") {
		t.Errorf("a clock of 1970: %q", v.Warnings)
	}
	q.ID, q.Sequence, q.Override = "b3", 5, "the new one does not boot"
	if v := let(q); len(v.Warnings) != 3 {
		t.Errorf("an override: %q", v.Warnings)
	}
	if at := state.Channels["stable"]; at.Sequence != 5 || len(state.Overrides) != 1 || state.Overrides[0].Reason != q.Override || len(state.Overrides[0].Against) != 1 {
		t.Errorf("after the override: %+v", state)
	}
	q.Override, q.Signatures = "please", nil
	if _, err := k.policy.Judge(state, q); err == nil {
		t.Error("an override lets unsigned bundles in")
	}
}

// A bundle of the far future, signed with a wrong clock, does not lock the site
// for ever: an override sets the newest time right.
func TestPoisonedTime(t *testing.T) {
	t.Parallel()
	k := newBench(t)
	q := question(t, k.a)
	q.Created = noon.AddDate(50, 0, 0)
	v, err := k.policy.Judge(trust.State{}, q)
	if err != nil || len(v.Warnings) != 1 {
		t.Fatalf("%v, %v", v, err)
	}
	state := v.Apply(trust.State{})
	q = question(t, k.a)
	if _, err := k.policy.Judge(state, q); !errors.Is(err, registry.ErrUntrusted) {
		t.Errorf("%v, want too old", err)
	}
	q.Override = "the build host's clock was wrong"
	if v, err = k.policy.Judge(state, q); err != nil {
		t.Fatal(err)
	}
	state = v.Apply(state)
	q.Override = ""
	if _, err := k.policy.Judge(state, q); err != nil {
		t.Errorf("after the override: %v", err)
	}
}

// Without a policy everything is let in; a key that is given is asked for.
func TestNoPolicy(t *testing.T) {
	t.Parallel()
	k, other := generate(t, trust.ECDSA), generate(t, trust.Ed25519)
	none := &trust.Policy{}
	if v, err := none.Judge(trust.State{}, question(t)); err != nil || len(v.Warnings) != 0 || len(v.Apply(trust.State{}).Channels) != 0 {
		t.Errorf("unsigned: %v", err)
	}
	if v, err := none.Judge(trust.State{}, question(t, k)); err != nil || len(v.Warnings) != 1 || len(v.Signers) != 0 {
		t.Errorf("signed: %v", err)
	}
	q := question(t, k)
	q.Keys = []trust.Key{other.Key, k.Key}
	v, err := none.Judge(trust.State{}, q)
	if err != nil || len(v.Signers) != 1 || v.Apply(trust.State{}).Channels["stable"].Sequence != 7 {
		t.Errorf("with its key: %v", err)
	}
	q.Keys = q.Keys[:1]
	if _, err := none.Judge(trust.State{}, q); !errors.Is(err, registry.ErrUntrusted) {
		t.Errorf("with another key: %v", err)
	}
	q.Signatures = nil
	if _, err := none.Judge(trust.State{}, q); !errors.Is(err, registry.ErrUntrusted) {
		t.Errorf("unsigned, with a key: %v", err)
	}
	q.Expires, q.Keys = noon.Add(-time.Hour), nil
	if _, err := none.Judge(trust.State{}, q); !errors.Is(err, registry.ErrUntrusted) {
		t.Errorf("expired: %v", err)
	}
}

// Unsigned bundles are let in where that is allowed, but for channels that have
// a rule.
func TestUnsignedAllowed(t *testing.T) {
	t.Parallel()
	k := generate(t, trust.ECDSA)
	p := policy(t, "keys:\n"+keyYAML(k, "o", "channels: [stable]")+"bundles: [{channel: stable}]\nunsigned: allow\n")
	q := question(t)
	if _, err := p.Judge(trust.State{}, q); !errors.Is(err, registry.ErrUntrusted) {
		t.Errorf("of a channel that has a rule: %v", err)
	}
	q.Channel = "other"
	v, err := p.Judge(trust.State{}, q)
	if err != nil || len(v.Apply(trust.State{}).Channels) != 0 {
		t.Errorf("of another channel: %v", err)
	}
	q.Keys = []trust.Key{k.Key}
	if _, err := p.Judge(trust.State{}, q); !errors.Is(err, registry.ErrUntrusted) {
		t.Errorf("with a key that is asked for: %v", err)
	}
}
