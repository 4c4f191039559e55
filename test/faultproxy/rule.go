package faultproxy

import (
	"net/http"
	"regexp"
	"slices"
	"sync"
)

// Rule says which requests an Action befalls. Of several rules in force, the
// one that was added first and matches is applied, alone.
type Rule struct {
	Method string // GET; "" is any
	Path   string // a regular expression that is found in the path; "" is any
	Times  int    // how many requests at most; 0 is all
	Action Action
}

// Fault is a rule in force, from Add until Remove or until it was applied as
// often as it says.
type Fault struct {
	rule Rule
	path *regexp.Regexp
	hits int // protected by all's lock
	all  *faults
}

// Hits is how many requests the rule was applied to.
func (f *Fault) Hits() int {
	f.all.mu.Lock()
	defer f.all.mu.Unlock()
	return f.hits
}

// Remove takes the rule out of force. Requests that it was applied to already
// go on as they began.
func (f *Fault) Remove() {
	f.all.mu.Lock()
	defer f.all.mu.Unlock()
	f.all.list = slices.DeleteFunc(f.all.list, func(other *Fault) bool { return other == f })
}

// Add puts a rule into force. It panics when the path is no regular expression.
func (p *Proxy) Add(r Rule) *Fault {
	f := &Fault{rule: r, path: regexp.MustCompile(r.Path), all: &p.faults}
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	p.faults.list = append(p.faults.list, f)
	return f
}

// Clear takes all rules out of force.
func (p *Proxy) Clear() {
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	p.faults.list = nil
}

// faults are the rules in force, in the order of Add.
type faults struct {
	mu   sync.Mutex // protects list and the hits of each fault
	list []*Fault
}

// action is what befalls a request: the zero Action is nothing.
func (all *faults) action(r *http.Request) Action {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, f := range all.list {
		if f.matches(r) {
			f.hits++
			return f.rule.Action
		}
	}
	return Action{}
}

func (f *Fault) matches(r *http.Request) bool {
	return (f.rule.Method == "" || f.rule.Method == r.Method) &&
		(f.rule.Times == 0 || f.hits < f.rule.Times) &&
		f.path.MatchString(r.URL.Path)
}
