// Command hello is all that the tests' container images hold: it prints its
// arguments, so that a run proves which image ran.
package main

import (
	"fmt"
	"os"
	"strings"
)

func main() { fmt.Println(strings.Join(os.Args[1:], " ")) }
