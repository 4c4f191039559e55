// Package events tells clients what happens at the site while it happens. It
// keeps the last events in memory, so that a client whose connection broke goes
// on where it was. It is not a log: what must survive a restart is in tables of
// its owners, and a client that missed something reads those.
//
// Nouns. An event is something that happened, with an id that ascends; ids begin
// with the epoch, which is another one after each start. A bus keeps the last
// events. A subscription is a place in them: it costs nothing while nobody asks
// it, and who asks too late is told so by an event of type reset.
package events

import (
	"encoding/json"
	"time"
)

// Event is something that happened.
type Event struct {
	ID   string          `json:"id" doc:"Ascends; to go on after this event"`
	Type string          `json:"type" doc:"Like job or drive; reset: events were missed, read the state anew"`
	At   time.Time       `json:"at"`
	Data json.RawMessage `json:"data,omitempty"`
}

// Reset is the type of the event that stands for those that were missed: the
// client reads the state anew, and goes on with the events after it. Its data is
// an object with the reason.
const Reset = "reset"
