package render

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/lifecycle/object"
)

// What a worker writes is read back, and nothing beyond what it may write.
func TestAnswer(t *testing.T) {
	t.Parallel()
	files := []object.File{{Path: "a", Content: "{\"x\": \x00<>}\n"}, {Path: "b"}, {Path: "c", Content: strings.Repeat("c", 100_000)}}
	var b bytes.Buffer
	b.WriteString("{\"Name\":\"chart x\"}\n")
	a := &answer{Hooks: map[string][]string{"a#0": {"test"}}, Warnings: []string{"w"}}
	if err := a.write(&b, files); err != nil {
		t.Fatal(err)
	}
	name := ""
	got, read, err := readAnswer(bytes.NewReader(b.Bytes()), 200_000, func(n string) { name = n })
	if err != nil || name != "chart x" {
		t.Fatal(err, name)
	}
	if diff := cmp.Diff(a, got) + cmp.Diff(files, read); diff != "" {
		t.Error(diff)
	}
	if _, _, err := readAnswer(bytes.NewReader(b.Bytes()), 100_000, func(string) {}); err != errOutput {
		t.Errorf("more than is allowed: %v", err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("{\"Name\":\"x\"}\n{\"Files\":[{\"Path\":\"a\",\"Size\":2}]}\nab"))
	f.Add([]byte("{}{\"Files\":[{\"Size\":-1}]}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		const most = 100
		_, files, err := readAnswer(bytes.NewReader(content), most, func(string) {})
		sum := 0
		for _, f := range files {
			sum += len(f.Content)
		}
		if err == nil && (sum > most || sum > len(content)) {
			t.Errorf("%d bytes", sum)
		}
	})
}
