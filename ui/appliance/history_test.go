package appliance_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// What was pulled before a restart, and before a minute was over, is in the history
// after it; and what came and is stored.
func TestHistory(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	began := time.Now()
	_, layer := s.push(atTheMachine, teamRepository, "v1", "some layer")
	for range 3 {
		s.onSocket("GET", fmt.Sprintf("/v2/%s/blobs/%s", teamRepository, layer), "", 200)
	}
	s.onSocket("GET", "/v2/"+teamRepository+"/manifests/v1", "", 200)
	s = s.restart()
	var got struct {
		From, Until time.Time
		Step        int
		Samples     []struct {
			At                                          time.Time
			Seconds, Requests, SentBytes, ReceivedBytes int64
			StoreBytes, TrashBytes, FreeBytes, Tags     int64
		}
	}
	if err := json.Unmarshal([]byte(s.onSocket("GET", "/api/v1/system/history?span=1h", "", 200)), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Samples) == 0 || got.Step != 60 || got.Until.Before(began.Truncate(time.Second)) {
		t.Fatalf("%+v", got)
	}
	var sent, requests, received int64
	for _, x := range got.Samples {
		sent, requests, received = sent+x.SentBytes, requests+x.Requests, received+x.ReceivedBytes
	}
	if last := got.Samples[len(got.Samples)-1]; requests != 4 || sent < 3*10 || received < 10 || last.Tags != 1 || last.StoreBytes < 10 || last.FreeBytes <= 0 {
		t.Errorf("%+v", got.Samples)
	}
	s.onSocket("GET", "/api/v1/system/history?span=2d", "", 422)
}
