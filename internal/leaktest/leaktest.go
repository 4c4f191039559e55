// Package leaktest is how a package's tests show that they leave no goroutine behind.
package leaktest

import "go.uber.org/goleak"

// Main runs the tests, and fails them when goroutines are left. A server's
// connection that closes is none: net/http lets it sleep half a second, so that a
// client that still sends can read the answer first, and Close does not end that.
func Main(m goleak.TestingM) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}
