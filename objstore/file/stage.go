package file

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"sync"

	"github.com/minio/crc64nvme"

	"github.com/weir-data/weir/objstore"
)

// staged is a body in a synced file that has no object's name yet.
type staged struct {
	file     string
	size     int64
	md5      []byte // empty without a digest
	sum      uint64 // CRC64NVME
	fileTime int64  // ns
}

func (st staged) etag() string { return hex.EncodeToString(st.md5) }

func (st staged) body() Body { return Body{st.size, st.md5, st.sum} }

func sumText(sum uint64) string { return fmt.Sprintf("%016x", sum) }

const copyBytes = 256 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copyBytes]byte) }}

// stage writes body to a new synced file in dir and syncs dir; digest, if not nil, sees all of it. After an error there is
// no file, otherwise the caller removes it in the end.
func (s *Store) stage(ctx context.Context, dir string, body io.Reader, digest hash.Hash) (staged, error) {
	if err := s.room(0); err != nil {
		return staged{}, err
	}
	st := staged{file: path.Join(dir, "put-"+rand.Text())}
	f, err := s.disk.Create(st.file)
	if err != nil {
		return st, diskErr(err)
	}
	err = errors.Join(s.fill(ctx, &st, f, body, digest), f.Close())
	if err == nil {
		err = s.disk.SyncDir(dir)
	}
	if err != nil {
		s.disk.Remove(st.file) // best effort: Open empties the folder
		return st, diskErr(err)
	}
	return st, nil
}

func (s *Store) fill(ctx context.Context, st *staged, f diskFile, body io.Reader, digest hash.Hash) error {
	buf := copyBuffers.Get().(*[copyBytes]byte)
	defer copyBuffers.Put(buf)
	for more := body != nil; more; {
		n, err := readFull(body, buf[:])
		if err != nil && err != io.EOF {
			return err
		}
		more = err == nil
		if digest != nil {
			digest.Write(buf[:n])
		}
		st.sum = crc64nvme.Update(st.sum, buf[:n])
		if _, err := f.Write(buf[:n]); err != nil {
			return err
		}
		st.size += int64(n)
		if err := ctx.Err(); err != nil {
			return err
		}
		if st.size%(8<<20) == 0 {
			if err := s.room(0); err != nil {
				return err
			}
		}
	}
	if digest != nil {
		st.md5 = digest.Sum(nil)
	}
	if err := f.Sync(); err != nil {
		return err
	}
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	st.fileTime = fi.ModTime().UnixNano()
	return nil
}

// readFull fills buf. Unlike io.ReadFull it returns io.EOF only for a body that ended, never for one that was cut off.
func readFull(r io.Reader, buf []byte) (n int, err error) {
	for idle := 0; n < len(buf) && err == nil; {
		var got int
		got, err = r.Read(buf[n:])
		n += got
		if idle++; got > 0 {
			idle = 0
		}
		if idle > 100 && err == nil {
			err = io.ErrNoProgress
		}
	}
	return n, err
}

// room returns ErrNoSpace if less than the reserve would be left after n more bytes.
func (s *Store) room(n int64) error {
	if free := s.disk.Free(); free >= 0 && free-n < s.opts.ReserveBytes {
		return fmt.Errorf("%d bytes are left on the disk, %d are kept in reserve: %w", free, s.opts.ReserveBytes, objstore.ErrNoSpace)
	}
	return nil
}
