package faults

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// scenario is something that is done to a site and that a fault may hit. Its
// rounds are independent of each other: each works on an image of its own.
type scenario struct {
	name string
	// image is what round i is about.
	image func(t *testing.T, i int) image
	// prepare readies a site for round i, without faults; nil: nothing to do.
	prepare func(t *testing.T, s *site, i int)
	// do is the work under faults. What it did before is done again, or gone
	// on with, when it is called again.
	do func(t *testing.T, s *site, i int) error
	// gone: the image's name is gone afterwards, else it is there.
	gone bool
}

// rounds is how many rounds are worth their time. A command that gets a 500
// asks again for seconds.
func (sc scenario) rounds(e expect) int {
	if strings.HasPrefix(sc.name, "import") && e.errno == syscall.EIO {
		return 12
	}
	return 100
}

// exitError is a command that did not succeed.
type exitError struct{ result }

func (e *exitError) Error() string { return fmt.Sprintf("exit %d: %s", e.code, e.message()) }

// scenarios are done to a site that serves.
var scenarios = []scenario{
	{
		name:  "push",
		image: pushed,
		do:    func(t *testing.T, s *site, i int) error { return s.push(pushed(t, i)) },
	},
	{
		name:  "chunks",
		image: inChunks,
		do: func(t *testing.T, s *site, i int) error {
			for _, b := range inChunks(t, i).blobs {
				if err := s.pushChunks("team/chunks", b); err != nil {
					return err
				}
			}
			return s.putManifest(inChunks(t, i))
		},
	},
	{
		name:    "import through serve",
		image:   func(t *testing.T, i int) image { return carried(t, imported(i)) },
		prepare: func(t *testing.T, _ *site, i int) { bundleOf(t, imported(i)) },
		do: func(t *testing.T, s *site, i int) error {
			return exitOf(landfall(t, "bundle", "import", bundleOf(t, imported(i)), "--data", s.data))
		},
	},
	{
		name:    "tag",
		image:   moving,
		prepare: prepareTag,
		do:      func(t *testing.T, s *site, i int) error { return s.putManifest(moving(t, i)) },
	},
	{
		name:    "delete tag",
		image:   deleted,
		prepare: func(t *testing.T, s *site, i int) { s.mustPush(t, deleted(t, i)) },
		do:      func(t *testing.T, s *site, i int) error { return s.remove(deleted(t, i), tagOf(i)) },
		gone:    true,
	},
	{
		name:    "delete manifest",
		image:   deleted,
		prepare: func(t *testing.T, s *site, i int) { s.mustPush(t, deleted(t, i)) },
		do: func(t *testing.T, s *site, i int) error {
			return s.remove(deleted(t, i), digestOf(deleted(t, i).manifest))
		},
		gone: true,
	},
}

func pushed(_ *testing.T, i int) image {
	return newImage("team/push", tagOf(i), uint64(10_000+i), 300<<10, 20)
}

func inChunks(_ *testing.T, i int) image {
	return newImage("team/chunks", tagOf(i), uint64(20_000+i), 300_001)
}

func imported(i int) image { return newImage("team/import", tagOf(i), uint64(30_000+i), 200<<10, 40) }

// moving are two images that take turns under one name.
func moving(_ *testing.T, i int) image {
	return newImage("team/moving", "latest", uint64(40_000+i%2), 10)
}

func deleted(_ *testing.T, i int) image {
	return newImage("team/delete", tagOf(i), uint64(50_000+i), 10)
}

func tagOf(i int) string { return "r" + strconv.Itoa(i) }

// prepareTag makes sure that both images are known, and that the name is at
// the other one.
func prepareTag(t *testing.T, s *site, i int) {
	t.Helper()
	byDigest := moving(t, i)
	byDigest.tag = digestOf(byDigest.manifest)
	s.mustPush(t, byDigest, moving(t, i+1))
}

// remove deletes a tag or digest. A second attempt may find that it is gone.
func (s *site) remove(i image, reference string) error {
	_, err := s.want(http.StatusAccepted, "DELETE", "/v2/"+i.repository+"/manifests/"+reference, nil)
	return err
}

var offsetParameter = regexp.MustCompile(`[?&]offset=(\d+)`)

const chunk = 100_000

// pushChunks sends a blob in pieces. It goes on with the session that an
// earlier call has left, if the site still has it.
func (s *site) pushChunks(repository string, content []byte) error {
	d := digestOf(content)
	if a, err := s.do("HEAD", "/v2/"+repository+"/blobs/"+d, nil); err == nil && a.status == http.StatusOK {
		return nil
	}
	location, err := s.session(repository, d)
	for err == nil {
		offset := 0
		if found := offsetParameter.FindStringSubmatch(location); found != nil {
			offset, _ = strconv.Atoi(found[1])
		}
		if offset >= len(content) {
			break
		}
		var a answer
		a, err = s.want(http.StatusAccepted, "PATCH", location, content[offset:min(offset+chunk, len(content))])
		if next := a.header.Get("Location"); next != "" {
			location = next
		}
	}
	if err == nil {
		_, err = s.want(http.StatusCreated, "PUT", location+"&digest="+d, nil)
	}
	return err
}

// session is the address of an upload: of the one that an earlier call began,
// or of a new one.
func (s *site) session(repository, d string) (string, error) {
	if old := s.uploads[d]; old != "" {
		if a, err := s.do("GET", old, nil); err == nil && a.status == http.StatusNoContent {
			return a.header.Get("Location"), nil
		}
	}
	a, err := s.want(http.StatusAccepted, "POST", "/v2/"+repository+"/blobs/uploads/", nil)
	if err != nil {
		return "", err
	}
	if s.uploads == nil {
		s.uploads = map[string]string{}
	}
	s.uploads[d] = a.header.Get("Location")
	return s.uploads[d], nil
}

func exitOf(r result) error {
	if r.code == exitDone {
		return nil
	}
	return &exitError{r}
}

// expect is how a fault has to be answered.
type expect struct {
	errno    syscall.Errno
	statuses []int
	exits    []int
	cause    []string // one of them is in the site's log, or in a command's message
}

var (
	full   = expect{syscall.ENOSPC, []int{http.StatusInsufficientStorage}, []int{exitNoSpace}, []string{"no space left", "disk is full", "not enough space"}}
	quota  = expect{syscall.EDQUOT, []int{http.StatusInsufficientStorage}, []int{exitNoSpace}, []string{"quota exceeded", "not enough space"}}
	broken = expect{syscall.EIO, []int{http.StatusInternalServerError}, []int{exitFailed, exitUnreachable}, []string{"input/output error", "I/O error"}}
)

// at is what is expected of a fault at one operation. SQLite keeps the error
// number of a write to a full disk, and of nothing else: the rest may be an
// I/O error.
func (e expect) at(operation string) expect {
	kept := e.errno == syscall.ENOSPC && strings.HasPrefix(operation, "write") && !strings.HasSuffix(operation, "-shm")
	if strings.Contains(operation, "landfall.db") && !kept {
		e.statuses = slices.Concat(e.statuses, broken.statuses)
		e.exits = slices.Concat(e.exits, broken.exits)
		e.cause = slices.Concat(e.cause, broken.cause, []string{"unable to open database file"})
	}
	return e
}

// objection is what is wrong with a refusal, empty for nothing. log is what
// the site has logged meanwhile.
func (e expect) objection(err error, log string) string {
	var status *refusal
	var exit *exitError
	said := log
	switch {
	case errors.As(err, &status) && !slices.Contains(e.statuses, status.status):
		return fmt.Sprintf("want HTTP %d", e.statuses)
	case errors.As(err, &status) && !strings.Contains(status.body, `"message":"`):
		return "without a message"
	case errors.As(err, &exit) && !slices.Contains(e.exits, exit.code):
		return fmt.Sprintf("want exit %d", e.exits)
	case errors.As(err, &exit):
		said += exit.stderr
	}
	for _, c := range e.cause {
		if strings.Contains(said, c) {
			return ""
		}
	}
	return "without its cause in the log"
}

func panics(log string) bool {
	return strings.Contains(log, "panic") || strings.Contains(log, "goroutine ")
}
