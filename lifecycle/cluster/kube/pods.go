package kube

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// podsSay is why the pods of a workload do not run or have failed, as far as one can
// tell; of several, the youngest one's reason.
func (c *Client) podsSay(ctx context.Context, o *unstructured.Unstructured) string {
	if o.GetKind() == "Pod" {
		if why := c.podSays(ctx, o); why != "" {
			return ": " + why
		}
		return ""
	}
	labels := textsAt(o.Object, "spec", "selector", "matchLabels")
	if len(labels) == 0 {
		return ""
	}
	why, youngest := "", metav1.Time{}
	options := metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: labels})}
	err := each(ctx, c.objects.Resource(podResource).Namespace(o.GetNamespace()), options, func(p *unstructured.Unstructured) error {
		if at := p.GetCreationTimestamp(); why == "" || youngest.Before(&at) {
			if says := c.podSays(ctx, p); says != "" {
				why, youngest = ": pod "+p.GetName()+": "+says, at
			}
		}
		return nil
	})
	if err != nil {
		return ""
	}
	return why
}

// podSays is what a pod waits for, or ended with.
func (c *Client) podSays(ctx context.Context, p *unstructured.Unstructured) string {
	if why := waiting(p); why != "" {
		return why
	}
	for _, s := range containers(p) {
		code := numberAt(s, "state", "terminated", "exitCode")
		if code == 0 {
			continue
		}
		why := fmt.Sprintf("%s ended with exit code %d", textAt(s, "name"), code)
		last := strings.TrimSpace(textAt(s, "state", "terminated", "message"))
		if last == "" {
			last = c.lastLines(ctx, p, textAt(s, "name"))
		}
		if last != "" {
			why += ": " + last
		}
		return why
	}
	return ""
}

// containers are the states of a pod's containers, those that begin first.
func containers(p *unstructured.Unstructured) (list []fields) {
	for _, kind := range []string{"initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"} {
		list = append(list, listAt(p.Object, "status", kind)...)
	}
	return list
}

// waiting is what a pod's containers wait for.
func waiting(p *unstructured.Unstructured) string {
	for _, s := range containers(p) {
		reason := textAt(s, "state", "waiting", "reason")
		if reason == "" || reason == "ContainerCreating" || reason == "PodInitializing" {
			continue
		}
		why := strings.TrimSpace(reason + " " + textAt(s, "state", "waiting", "message"))
		if code := at(s, "lastState", "terminated", "exitCode"); code != nil {
			why += fmt.Sprintf(" (it ended with exit code %v)", code)
		}
		return textAt(s, "name") + ": " + why
	}
	if status, why := condition(p.Object, "PodScheduled"); status == "False" {
		return "it has no host: " + why
	}
	return ""
}

// How much of a log is told.
const (
	logLines = "5"
	logBytes = 2 << 10
)

// lastLines are the last ones of a container's log; "" when nobody has them.
func (c *Client) lastLines(ctx context.Context, p *unstructured.Unstructured, container string) string {
	query := url.Values{"container": {container}, "tailLines": {logLines}, "limitBytes": {fmt.Sprint(logBytes)}}
	address := c.server + "/api/v1/namespaces/" + url.PathEscape(p.GetNamespace()) + "/pods/" + url.PathEscape(p.GetName()) + "/log?" + query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return ""
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return ""
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, logBytes))
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", " | ")
}
