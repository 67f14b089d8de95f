package file

import (
	"os"

	"golang.org/x/sys/unix"
)

// startWriteback asks the kernel to begin writing f's bytes, so that the syncs of many files find most of it done and
// share one commit of the file system's journal. It promises nothing.
func startWriteback(f diskFile) {
	if file, ok := f.(*os.File); ok {
		unix.SyncFileRange(int(file.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
	}
}
