package kube_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
	"github.com/landfall-dev/landfall/lifecycle/object"
)

func form(text string) kube.Layer {
	return kube.Layer{Name: "app", Definition: "edge:1.0.0", Units: []kube.Unit{{Namespace: "shop", Files: []object.File{{Path: "all.yaml", Content: text}}}}}
}

// What changes is told object by object and field by field; what is secret is not.
func TestChanges(t *testing.T) {
	t.Parallel()
	const before = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {greeting: hello, dsn: 'db://web:s3cret@db', same: x}\n---\n" +
		"apiVersion: v1\nkind: Secret\nmetadata: {name: web}\nstringData: {password: s3cret}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: old}\n"
	after := strings.NewReplacer("hello", "good day", "s3cret", "0ther", "name: old", "name: new").Replace(before)
	hide := func(text string) bool { return strings.Contains(text, "s3cret") || strings.Contains(text, "0ther") }
	got, err := kube.Changes(form(before), form(after), hide)
	if err != nil {
		t.Fatal(err)
	}
	want := []kube.ObjectChange{
		{Object: "Secret shop/web", Change: "changed", Fields: []kube.FieldChange{{Path: "data.password", From: kube.Hidden, To: kube.Hidden}}},
		{Object: "ConfigMap shop/web", Change: "changed", Fields: []kube.FieldChange{{Path: "data.dsn", From: kube.Hidden, To: kube.Hidden}, {Path: "data.greeting", From: `"hello"`, To: `"good day"`}}},
		{Object: "ConfigMap shop/new", Change: "added"},
		{Object: "ConfigMap shop/old", Change: "removed"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if got, err = kube.Changes(form(before), form(before), hide); err != nil || len(got) != 0 {
		t.Errorf("of the same: %+v, %v", got, err)
	}
}
