package send

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/landfall-dev/landfall/ui/upload"
)

// What a file costs in one part and in several, from the first request to the digest.
func BenchmarkSend(b *testing.B) {
	file := newFile(b, 192<<20)
	for _, parts := range []int{1, 4} {
		b.Run(fmt.Sprint(parts, " parts"), func(b *testing.B) {
			s := newSite(b, upload.Options{}, nil)
			client, uploads, err := Dial(s.url, "")
			if err != nil {
				b.Fatal(err)
			}
			defer client.CloseIdleConnections()
			b.SetBytes(192 << 20)
			for b.Loop() {
				r, err := Send(b.Context(), Options{File: file, Parts: parts, URL: uploads, Client: client}, nil)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				request, err := http.NewRequest(http.MethodDelete, uploads+"/"+r.ID, nil)
				if err != nil {
					b.Fatal(err)
				}
				request.Header.Set("Tus-Resumable", "1.0.0")
				answer, err := client.Do(request)
				if err != nil || answer.StatusCode != http.StatusNoContent {
					b.Fatal(answer, err)
				}
				answer.Body.Close()
				b.StartTimer()
			}
		})
	}
}
