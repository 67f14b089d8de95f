package stream

import (
	"testing"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

// Opening an empty folder, until Puts can come.
func BenchmarkOpenEmpty(b *testing.B) {
	for range b.N {
		m := meta.NewMem()
		s, err := Open(Options{FS: vfs.Default, Dir: b.TempDir(), Meta: m})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		s.Close()
		m.Close()
		b.StartTimer()
	}
}
