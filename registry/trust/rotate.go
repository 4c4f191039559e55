package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// Rotation is a statement that one key takes another's place. The old key signs
// it, and as many more as the policy asks for at most.
type Rotation struct {
	Created  time.Time
	Old      string // id
	OldUntil time.Time
	New      Key
}

// rotationForm is what is signed; members are in alphabetical order.
type rotationForm struct {
	Created  string `json:"created"`
	Format   int    `json:"format"` // 1
	New      string `json:"new"`    // PEM
	Old      string `json:"old"`
	OldUntil string `json:"oldUntil"`
}

// signedRotation is the file.
type signedRotation struct {
	Statement  []byte      `json:"statement"` // rotationForm
	Signatures []Signature `json:"signatures"`
}

// maxRotation bounds a statement's file, in bytes.
const maxRotation = 1 << 20

// Marshal writes the statement, signed with all keys.
func (r *Rotation) Marshal(keys []*PrivateKey) ([]byte, error) {
	statement, err := json.Marshal(rotationForm{moment(r.Created), 1, string(r.New.PEM()), r.Old, moment(r.OldUntil)})
	if err != nil {
		return nil, err
	}
	file := signedRotation{Statement: statement}
	for _, k := range keys {
		s, err := k.Sign(statement)
		if err != nil {
			return nil, err
		}
		file.Signatures = append(file.Signatures, s)
	}
	content, err := json.MarshalIndent(file, "", "  ")
	return append(content, '\n'), err
}

func parseRotation(content []byte) (r *Rotation, file signedRotation, err error) {
	if len(content) > maxRotation {
		return nil, file, fmt.Errorf("larger than %d bytes", maxRotation)
	}
	if err := decodeOne(content, &file); err != nil {
		return nil, file, err
	}
	var form rotationForm
	if err := decodeOne(file.Statement, &form); err != nil {
		return nil, file, fmt.Errorf("statement: %w", err)
	}
	if form.Format != 1 {
		return nil, file, fmt.Errorf("statement: format version %d, this program reads version 1", form.Format)
	}
	r = &Rotation{Old: form.Old}
	if r.New, err = ParseKey([]byte(form.New)); err != nil {
		return nil, file, err
	}
	for text, to := range map[string]*time.Time{form.Created: &r.Created, form.OldUntil: &r.OldUntil} {
		if *to, err = time.Parse(time.RFC3339, text); err != nil {
			return nil, file, fmt.Errorf("statement: %w", err)
		}
	}
	return r, file, nil
}

// decodeOne reads one JSON value of known fields.
func decodeOne(content []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

// Rotate returns the policy in which a statement's new key has the old one's
// owner and rights, and the old one's end. ErrInvalid when it is no statement,
// ErrUntrusted when too few keys have signed it.
func (p *Policy) Rotate(content []byte, state State, now time.Time) (*Policy, *Rotation, error) {
	r, file, err := parseRotation(content)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: not a rotation statement: %w", registry.ErrInvalid, err)
	}
	now = latest(now, state.Newest, r.Created)
	if err := p.mayRotate(r, file, now); err != nil {
		return nil, nil, fmt.Errorf("%w: rotation of key %.40s: %w", registry.ErrUntrusted, r.Old, err)
	}
	next := *p
	next.keys, next.images = slices.Clone(p.keys), slices.Clone(p.images)
	old := next.Key(r.Old)
	fresh := TrustedKey{Key: r.New, Owner: old.Owner, NotBefore: r.Created, channels: old.channels}
	if old.NotAfter.IsZero() || r.OldUntil.Before(old.NotAfter) {
		old.NotAfter = r.OldUntil
	}
	next.keys = append(next.keys, fresh)
	for i := range next.images {
		if slices.Contains(next.images[i].keys, r.Old) {
			next.images[i].keys = append(slices.Clone(next.images[i].keys), r.New.ID())
		}
	}
	again, err := Parse("policy after the rotation", next.Marshal())
	return again, r, err
}

// mayRotate wants the old key's signature, and together as many as any bundle
// needs: one stolen key must not bring others in where several are asked for.
func (p *Policy) mayRotate(r *Rotation, file signedRotation, now time.Time) error {
	old := p.Key(r.Old)
	switch {
	case old == nil:
		return errors.New("it is not in the trust policy")
	case p.Key(r.New.ID()) != nil:
		return fmt.Errorf("key %s is in the trust policy already", r.New.ID())
	case r.OldUntil.Before(r.Created):
		return errors.New("it ends before it was made")
	}
	need := 1
	for _, rule := range p.bundles {
		need = max(need, rule.signatures)
	}
	signers := map[string]bool{}
	for _, s := range file.Signatures {
		k := p.Key(s.KeyID)
		if k == nil {
			continue
		}
		if err := k.Verify(file.Statement, s); err != nil {
			return fmt.Errorf("signature of %s: %w", k, err)
		}
		if err := k.usable(now); err != nil {
			return fmt.Errorf("%s %w", k, err)
		}
		signers[s.KeyID] = true
	}
	if !signers[r.Old] {
		return errors.New("it has not signed the statement")
	}
	if len(signers) < need {
		return fmt.Errorf("the policy asks for %d signatures, %d count", need, len(signers))
	}
	return nil
}

func latest(times ...time.Time) time.Time {
	return slices.MaxFunc(times, time.Time.Compare)
}
