// Package media notices drives, finds the bundles on them, and reads these. It
// changes nothing on a drive, and brings nothing into a store: what lands, and
// when, is decided above.
//
// A drive is a file system on a block device that can be pulled out, or a folder
// that the operator names. A candidate is a file on a drive that begins like a
// bundle or is named like one. A look is one round of finding out what is there;
// the kernel's events cause looks, and so does time, because there are places
// where no event arrives.
//
// A drive is whatever somebody has plugged in. So nothing of it is followed
// (links, devices, pipes, other mounts), its names are shown escaped, the time and
// memory that it takes are bounded, and a device that does not answer holds up a
// thread of its own, nobody else.
//
// A drive is read, in this order: where somebody has mounted it; by a mount of
// our own, if that is allowed, that no folder shows and that ends with the process;
// or, FAT, exFAT and ISO 9660, from the bare device, without the kernel's help.
package media

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// ErrRemoved says that a drive was pulled out while it was read.
var ErrRemoved = fmt.Errorf("the drive was removed: %w", registry.ErrUnreachable)

// Options say what counts as a drive, and how it is read.
type Options struct {
	// Mount allows own mounts of what nobody has mounted; they are read-only, and
	// need CAP_SYS_ADMIN. The file systems on drives are the kernel's to parse then.
	Mount bool
	// Devices are names of block devices that count as drives beside those that can
	// be pulled out, as in path.Match: sdc, sdc1, loop*. A disk stands for its partitions.
	Devices []string
	// Folders are looked into like drives, and so is what is mounted below them.
	Folders []string
	// NoDevices leaves it at Folders.
	NoDevices bool
	// Own are folders of the site: the disks that they are on are no drives, as
	// those of the system are none.
	Own []string
	// Every is the time between two looks that nothing has caused; 10 seconds when 0.
	Every time.Duration
	// MaxEntries is how many files and folders of a drive are looked at; 50,000 when 0.
	MaxEntries int
	// MaxTime is how long looking through a drive takes; a minute when 0.
	MaxTime time.Duration
	// Tell is told what happens, in order, from one goroutine. nil: nobody is.
	Tell func(Event)
	// Log is told of what goes wrong here; nil for silence.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Every == 0 {
		o.Every = 10 * time.Second
	}
	if o.MaxEntries == 0 {
		o.MaxEntries = 50_000
	}
	if o.MaxTime == 0 {
		o.MaxTime = time.Minute
	}
	if o.Tell == nil {
		o.Tell = func(Event) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Kind tells events apart.
type Kind string

// What happens.
const (
	Arrived Kind = "arrived" // a drive is there, and was looked through
	Changed Kind = "changed" // its candidates, its readers or the way to read it are others
	Removed Kind = "removed" // it is not there any more
	Safe    Kind = "safe"    // it was ejected, and can be pulled out
	Finding Kind = "finding" // something that the operator should know
)

// Event is something that has happened.
type Event struct {
	Kind    Kind   `json:"kind"`
	Drive   *Drive `json:"drive,omitempty"`   // as it is now; of Removed as it was; nil with a Finding
	Finding string `json:"finding,omitempty"` // a sentence
}

// State is what can be done with a drive.
type State string

// States of a drive.
const (
	Ready      State = "ready"
	Unreadable State = "unreadable" // Reason says why
	Ejected    State = "ejected"    // until it is pulled out
)

// Access is how a drive is read.
type Access string

// Ways to read a drive.
const (
	ByMount  Access = "mount"     // somebody has mounted it
	ByOwn    Access = "own mount" // only this process sees it
	ByDevice Access = "device"    // without the kernel's file systems
	ByFolder Access = "folder"
)

// Drive is a drive as it was at the last look. Texts from it are Printable.
type Drive struct {
	ID       string `json:"id"`               // the same when it comes back
	Device   string `json:"device,omitempty"` // like sdb1; empty for a folder
	Hardware string `json:"hardware,omitempty"`
	Type     string `json:"type,omitempty"`  // of the file system, as blkid has it
	UUID     string `json:"uuid,omitempty"`  // of the file system
	Label    string `json:"label,omitempty"` // of the file system
	Size     int64  `json:"size,omitempty"`  // bytes
	ReadOnly bool   `json:"readOnly"`        // nobody can write to it now

	State  State  `json:"state"`
	Reason string `json:"reason,omitempty"` // why it is unreadable
	Access Access `json:"access,omitempty"`
	Where  string `json:"where,omitempty"` // the folder where it can be seen
	Cut    string `json:"cut,omitempty"`   // why not all of it was looked at

	Candidates []Candidate `json:"candidates"`
	Readers    []string    `json:"readers,omitempty"` // who reads it now
}

// Form is what a candidate looks like.
type Form string

// Forms of candidates.
const (
	Bundle    Form = "bundle"
	Signature Form = "signature" // a file of its own that signs another
)

// Candidate is a file that may be what one looks for. Nothing of it is believed
// yet but its header's form.
type Candidate struct {
	ID       string    `json:"id"`   // on its drive
	Name     string    `json:"name"` // path on the drive, Printable
	Form     Form      `json:"form"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified,omitzero"`
	Header   *Header   `json:"header,omitempty"` // of a bundle that can be read
	Problem  string    `json:"problem,omitempty"`
}

// Header is what a bundle says of itself. No signature of it was checked.
type Header struct {
	Bundle   string   `json:"bundle"` // its id
	Channel  string   `json:"channel,omitempty"`
	Sequence int64    `json:"sequence,omitempty"`
	Created  string   `json:"created"`
	Expires  string   `json:"expires,omitempty"`
	For      string   `json:"for,omitempty"` // the site whose receipt it was made by
	Names    int      `json:"names"`
	Content  int64    `json:"content"` // bytes of blobs and manifests
	Requires int      `json:"requires,omitempty"`
	Signers  []string `json:"signers,omitempty"` // ids of keys
}
