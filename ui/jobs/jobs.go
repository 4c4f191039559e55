// Package jobs carries out what takes long, in the background, so that it ends
// only when it is done: not with who asked for it, and not with the appliance. A
// power cut costs what was done since the last step. It is not a general queue:
// jobs are few, each is worth a row that a person reads.
//
// Nouns. A kind is what a job does, as code. A job is one time that it is done,
// as a row of a table: who wanted it, with which arguments, how far it is, how it
// ended. A step is a part of a job that is not done again once it was done; the
// cursor is how far the job is within its steps, in its own terms. An attempt is
// one time that the code was begun. A lane is where jobs wait for each other: so
// many at a time, the oldest first. A line is what a job tells people. A job waits
// when it needs something to come back, like a drive; a wake-up says that it has.
//
//	queued ── a place in its lane ──▶ running ── its code returns ──▶ done, failed, cancelled
//	running ── the appliance ends ──▶ queued
//	running ── something is missing ──▶ waiting ── wake-up or retry ──▶ queued
//	failed, cancelled ── retry ──▶ queued
//
// Cancel ends a job that is queued or waits at once, one that runs when its code
// returns. Whatever queues a job again, it goes on at its last step.
package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// State is what a job does, or how it has ended.
type State string

// What a job can do, and how it can end.
const (
	Queued    State = "queued"
	Running   State = "running"
	Waiting   State = "waiting" // for something that is not here now
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Ended reports whether nothing more happens to a job in this state by itself.
func (s State) Ended() bool { return s == Done || s == Failed || s == Cancelled }

// ViaJob is how the actor of what a job does came; a colon and the job's kind follow.
const ViaJob = "job"

// Job is one time that a kind of job is done.
type Job struct {
	ID        string          `json:"id" doc:"Ascends with the time of the start"`
	Kind      string          `json:"kind"`
	Subject   string          `json:"subject,omitempty" doc:"What it is done to, where that is known at the start"`
	State     State           `json:"state" enum:"queued,running,waiting,done,failed,cancelled"`
	Attempt   int             `json:"attempt" doc:"How often it was begun"`
	Args      json.RawMessage `json:"args,omitempty" doc:"What it was asked for"`
	Result    json.RawMessage `json:"result,omitempty" doc:"What it did, when it has ended"`
	Error     *Failure        `json:"error,omitempty" doc:"Why it failed, was cancelled or waits"`
	Owner     string          `json:"owner" doc:"Who started it"`
	OwnerKind string          `json:"ownerKind" doc:"Like user or robot"`
	Created   time.Time       `json:"created"`
	Started   time.Time       `json:"started,omitzero" doc:"When it was first begun"`
	Ended     time.Time       `json:"ended,omitzero"`
	Heartbeat time.Time       `json:"heartbeat,omitzero" doc:"The last sign of life of its code"`
	Progress  Progress        `json:"progress"`
	Steps     []Step          `json:"steps,omitempty" doc:"Those that are done; where one job is asked for"`
	WaitsFor  string          `json:"waitsFor,omitempty" doc:"What it waits for"`

	// Stuck is about the database, not the job: it goes on when that can be written.
	Stuck *Failure `json:"stuck,omitempty" doc:"Why it can neither begin nor end now; it does when that is mended"`

	CancelRequested bool `json:"cancelRequested,omitempty" doc:"It ends as soon as it can"`
	Joined          bool `json:"joined,omitempty" doc:"In the answer to a start: it was there already"`
}

// Err is what the job has failed with, in words; nil for one that did not fail.
func (j Job) Err() error {
	switch {
	case j.State == Cancelled:
		return ErrCancelled
	case j.Error != nil:
		return j.Error
	}
	return nil
}

// Progress is how far a job is. What is not known is 0.
type Progress struct {
	Phase      string  `json:"phase,omitempty" doc:"What it does now"`
	Bytes      int64   `json:"bytes,omitempty"`
	TotalBytes int64   `json:"totalBytes,omitempty"`
	Items      int64   `json:"items,omitempty"`
	TotalItems int64   `json:"totalItems,omitempty"`
	Rate       float64 `json:"rate,omitempty" doc:"Bytes per second, of the last ten seconds or so"`
	Remaining  int64   `json:"remaining,omitempty" doc:"Seconds that it will take at this rate"`
}

// Step is a part of a job that is done.
type Step struct {
	Name  string    `json:"name"`
	Ended time.Time `json:"ended"`
}

// Line is what a job tells people.
type Line struct {
	N       int64           `json:"n" doc:"Ascends within the job, from 1"`
	At      time.Time       `json:"at"`
	Level   string          `json:"level" enum:"debug,info,warn,error"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty" doc:"The same for programs; depends on the kind of the job"`
}

// Failure is an error as it is kept with a job.
type Failure struct {
	Kind    string          `json:"kind" doc:"The kind of error, as problems have it"`
	Message string          `json:"message"`
	Detail  json.RawMessage `json:"detail,omitempty" doc:"More for programs"`
}

// Error implements error.
func (f *Failure) Error() string { return f.Message }

// Wait is the error of a Run that cannot go on until something comes back. The job
// waits until Wake says so, and is begun again then.
type Wait struct {
	For string // what Wake is told
	Err error  // why, for people
}

func (w *Wait) Error() string { return fmt.Sprintf("waits for %s: %v", w.For, w.Err) }

// Unwrap is why it waits.
func (w *Wait) Unwrap() error { return w.Err }

// Why the context of a Run ends; see context.Cause.
var (
	// ErrCancelled: somebody does not want it any more.
	ErrCancelled = errors.New("cancelled")
	// ErrShutdown: the appliance ends; the job goes on at its next start.
	ErrShutdown = errors.New("the appliance ends")
	// errLost: the lease is another process's now.
	errLost = errors.New("the job was taken over by another process")
)

// Decode reads arguments or a result. Without any, v stays as it is.
func Decode(content json.RawMessage, v any) error {
	if len(content) == 0 {
		return nil
	}
	return json.Unmarshal(content, v)
}
