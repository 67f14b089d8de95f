//go:build !linux

package file

// startWriteback has no counterpart here; syncs do all the work.
func startWriteback(diskFile) {}
