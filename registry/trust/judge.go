package trust

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// Statement is what a bundle says of itself.
type Statement struct {
	ID       string
	Channel  string // may be empty
	Sequence int64  // 0 when it has none: it brings no names
	Created  time.Time
	Expires  time.Time // zero: never
}

// Signed is a statement with the bytes that were signed.
type Signed struct {
	Statement
	Payload    []byte
	Signatures []Signature
}

// State is what a site remembers of the bundles that it has let in.
type State struct {
	Channels map[string]Accepted `json:"channels"`
	// Newest is the latest time that a bundle was made: it cannot be earlier now,
	// whatever the clock says.
	Newest time.Time `json:"newest"`
	// Overrides are what an operator has let in against the policy, the last ones.
	Overrides []Override `json:"overrides,omitempty"`
}

// Accepted is how far a channel is.
type Accepted struct {
	Sequence int64  `json:"sequence"`
	Bundle   string `json:"bundle"` // id
}

// Override is a decision of an operator.
type Override struct {
	At      time.Time `json:"at"` // by the site's clock
	Bundle  string    `json:"bundle"`
	Channel string    `json:"channel,omitempty"`
	Reason  string    `json:"reason"`  // the operator's
	Against []string  `json:"against"` // what was refused
}

// maxOverrides is how many overrides are remembered.
const maxOverrides = 1000

// Question is one bundle at the door.
type Question struct {
	Signed
	Now      time.Time // by the site's clock
	Keys     []Key     // when there are any, only their signatures count
	Override string    // the operator's reason to let in what is old or expired
}

// Verdict says why a bundle was let in.
type Verdict struct {
	Signers  []string `json:"signers"` // "key ID of OWNER", those that count
	Warnings []string `json:"warnings,omitempty"`
	// Now is the latest time that is certain.
	Now   time.Time `json:"now"`
	apply func(State) State
}

// Apply is the state to remember once the bundle's content is there, made from
// the one of then.
func (v *Verdict) Apply(s State) State { return v.apply(s) }

// Refusal is an ErrUntrusted with what is wrong.
type Refusal struct {
	Bundle  string
	Reasons []string
	// Overridable: the bundle is what its signers made, but old; an operator may
	// let it in with a reason.
	Overridable bool
}

func (r *Refusal) Error() string {
	text := "bundle " + r.Bundle + ": " + registry.ErrUntrusted.Error() + ": " + strings.Join(r.Reasons, "; ")
	if r.Overridable {
		text += "; if it has to be let in all the same, say why with --override"
	}
	return text
}

// Is makes the error an ErrUntrusted.
func (r *Refusal) Is(target error) bool { return target == registry.ErrUntrusted }

// Judge decides whether a bundle is let in. A *Refusal says why not.
func (p *Policy) Judge(state State, q Question) (*Verdict, error) {
	j := &judgement{policy: p, state: state, q: q, verdict: &Verdict{Signers: []string{}}}
	j.judgeClock()
	j.judgeSigners()
	if len(j.wrong) > 0 {
		return nil, &Refusal{Bundle: q.ID, Reasons: j.wrong}
	}
	j.judgeAge()
	j.judgeSequence()
	if len(j.old) > 0 && q.Override == "" {
		return nil, &Refusal{Bundle: q.ID, Reasons: j.old, Overridable: true}
	}
	j.remember()
	j.verdict.Now = j.now
	return j.verdict, nil
}

type judgement struct {
	policy   *Policy
	state    State
	q        Question
	now      time.Time // the latest time that is certain
	verified bool      // somebody who counts has signed
	wrong    []string  // no override helps
	old      []string
	verdict  *Verdict
}

// slack is how far two good clocks may be apart.
const slack = 24 * time.Hour

// judgeClock finds the time to judge by. A clock that is behind what is known
// is not believed; one that is ahead cannot be told from a true one.
func (j *judgement) judgeClock() {
	j.now = j.q.Now
	for what, at := range map[string]time.Time{"this bundle is": j.q.Created, "an earlier bundle was": j.state.Newest} {
		if at.After(j.now.Add(slack)) {
			j.verdict.Warnings = append(j.verdict.Warnings, fmt.Sprintf("the clock is behind: it says %s, and %s of %s; expiry and age are judged by the later time: set the clock",
				j.q.Now.UTC().Format(time.RFC3339), what, at.UTC().Format(time.RFC3339)))
		}
	}
	slices.Sort(j.verdict.Warnings)
	for _, at := range []time.Time{j.q.Created, j.state.Newest} {
		if at.After(j.now) {
			j.now = at
		}
	}
}

// judgeSigners counts the signatures that are asked for.
func (j *judgement) judgeSigners() {
	if !j.policy.set && len(j.q.Keys) == 0 {
		if len(j.q.Signatures) > 0 {
			j.verdict.Warnings = append(j.verdict.Warnings, "its signatures were not checked: the site has no trust policy, and no key was given")
		}
		return
	}
	need := j.policy.rule(j.q.Channel).signatures
	if len(j.q.Signatures) == 0 {
		if j.policy.unsigned && len(j.q.Keys) == 0 && !j.policy.hasRule(j.q.Channel) {
			return
		}
		j.wrong = append(j.wrong, "it is not signed")
		return
	}
	problems, seen := map[string]bool{}, map[string]bool{}
	for _, s := range j.q.Signatures {
		if seen[s.KeyID] {
			continue
		}
		seen[s.KeyID] = true
		signer, err := j.signer(s)
		if err != nil {
			problems[err.Error()] = true
			continue
		}
		j.verdict.Signers = append(j.verdict.Signers, signer)
	}
	j.verified = len(j.verdict.Signers) >= need
	if j.verified {
		return
	}
	if need > 1 {
		j.wrong = append(j.wrong, fmt.Sprintf("%s needs signatures of %d keys, %d count", channelText(j.q.Channel), need, len(j.verdict.Signers)))
	}
	j.wrong = append(j.wrong, slices.Sorted(maps.Keys(problems))...)
}

// signer is whose signature it is, if it counts.
func (j *judgement) signer(s Signature) (string, error) {
	key := Key{}
	for _, k := range j.q.Keys {
		if k.ID() == s.KeyID {
			key = k
		}
	}
	trusted := j.policy.Key(s.KeyID)
	name := "key " + s.KeyID
	switch {
	case len(j.q.Keys) > 0 && key.public == nil:
		return "", fmt.Errorf("%s, which signed it, is not one of those given with --key", name)
	case j.policy.set && trusted == nil:
		return "", fmt.Errorf("%s, which signed it, is not in the trust policy", name)
	case trusted != nil:
		key, name = trusted.Key, trusted.String()
	}
	if err := key.Verify(j.q.Payload, s); err != nil {
		return "", fmt.Errorf("signature of %s: %w", name, err)
	}
	if trusted != nil {
		if err := trusted.maySign(j.q.Channel, j.q.Created, j.now); err != nil {
			return "", fmt.Errorf("%s, which signed it, %w", name, err)
		}
	}
	return name, nil
}

// judgeAge refuses what has expired.
func (j *judgement) judgeAge() {
	by := "the clock"
	if j.now.After(j.q.Now) {
		by = "the newest bundle known"
	}
	says := fmt.Sprintf("%s says %s", by, j.now.UTC().Format(time.RFC3339))
	if !j.q.Expires.IsZero() && j.now.After(j.q.Expires) {
		j.old = append(j.old, fmt.Sprintf("it has expired on %s (%s)", j.q.Expires.UTC().Format(time.RFC3339), says))
	}
	age, most := j.now.Sub(j.q.Created), j.policy.rule(j.q.Channel).maxAge
	if j.policy.set && most > 0 && age > most {
		j.old = append(j.old, fmt.Sprintf("it is %s old, the policy allows %s (%s)", lasts(age), lasts(most), says))
	}
}

// judgeSequence refuses a bundle of before the one that a channel is at.
func (j *judgement) judgeSequence() {
	at, known := j.state.Channels[j.q.Channel]
	if !j.verified || j.q.Channel == "" || j.q.Sequence == 0 || !known || j.policy.rule(j.q.Channel).rollback {
		return
	}
	if j.q.Sequence < at.Sequence {
		j.old = append(j.old, fmt.Sprintf("it is sequence %d of channel %s, the site is at %d (bundle %s)", j.q.Sequence, j.q.Channel, at.Sequence, at.Bundle))
	}
}

// remember says how the state changes. Only what trusted keys have signed moves
// it.
func (j *judgement) remember() {
	if len(j.old) > 0 {
		j.verdict.Warnings = append(j.verdict.Warnings, "let in by override ("+j.q.Override+"): "+strings.Join(j.old, "; "))
	}
	j.verdict.apply = func(s State) State {
		next := State{Channels: maps.Clone(s.Channels), Newest: s.Newest, Overrides: slices.Clone(s.Overrides)}
		if next.Channels == nil {
			next.Channels = map[string]Accepted{}
		}
		if len(j.old) > 0 {
			next.Overrides = append(next.Overrides, Override{j.q.Now.UTC(), j.q.ID, j.q.Channel, j.q.Override, j.old})
			next.Overrides = next.Overrides[max(0, len(next.Overrides)-maxOverrides):]
		}
		if j.verified {
			j.advance(&next)
		}
		return next
	}
}

// advance moves the channel and the newest time. An override moves them back,
// too: it also corrects a time that a wrong clock once signed.
func (j *judgement) advance(s *State) {
	overridden := len(j.old) > 0
	if j.q.Channel != "" && j.q.Sequence > 0 && (overridden || j.q.Sequence >= s.Channels[j.q.Channel].Sequence) {
		s.Channels[j.q.Channel] = Accepted{j.q.Sequence, j.q.ID}
	}
	if overridden {
		s.Newest = j.q.Now.UTC()
	}
	if j.q.Created.After(s.Newest) {
		s.Newest = j.q.Created.UTC()
	}
}
