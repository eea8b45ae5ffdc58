//go:build !linux

package durabletest

func inMemory() string { return "" }
