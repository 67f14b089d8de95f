// Package vfs is the disk as the rest of weir sees it: an interface over files and directories
// that has a real implementation, one in memory that can lose what was not synced, and wrappers
// that record or fail operations.
//
// Packages that promise durability (stream, objstore/file, internal/meta) take an FS, so that their
// tests can crash the disk at any point. The interface is pebble's own: the metadata store already
// needs it, and its crash simulation is the best there is.
package vfs

import (
	"github.com/cockroachdb/pebble/v2/vfs"
)

type (
	// FS is a file system. Create truncates, OpenReadWrite does not, Link fails if the new name exists.
	FS = vfs.FS
	// File is an open file. WriteAt needs OpenReadWrite; SyncData is fdatasync(2).
	File = vfs.File
	// OpenOption is a hint to Open.
	OpenOption = vfs.OpenOption
	// Crashable is an FS in memory that knows which bytes and names were synced; see CrashClone.
	Crashable = vfs.MemFS
	// DiskUsage is how full a disk is.
	DiskUsage = vfs.DiskUsage
	// CrashConfig says how much of what was not synced survives a crash.
	CrashConfig = vfs.CrashCloneCfg
)

// Category labels all disk writes of weir for pebble's accounting.
const Category = vfs.WriteCategoryUnspecified

// Default is the machine's own file system.
var Default FS = vfs.Default

// NewCrashable returns an empty in-memory file system whose CrashClone gives the state that a power
// loss would leave.
func NewCrashable() *Crashable { return vfs.NewCrashableMem() }
