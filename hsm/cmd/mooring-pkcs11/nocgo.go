//go:build !cgo || !linux

package main

import (
	"fmt"
	"io"
)

// work says that PKCS#11 modules cannot be loaded without cgo.
func work(_ io.Reader, stderr io.Writer) int {
	fmt.Fprintln(stderr, "mooring-pkcs11: error: this build has no cgo and cannot load PKCS#11 modules")
	return 1
}
