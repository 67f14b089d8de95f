package file

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
)

// Upload is a multipart upload that was begun and neither completed nor aborted.
type Upload struct {
	ID, Key   string
	Initiated time.Time
	PutOptions
}

// Part is one uploaded part.
type Part struct {
	Number    int
	Size      int64
	ETag      string // MD5
	ModTime   time.Time
	Checksums map[string]string
}

type uploadRecord struct {
	Initiated   int64             `json:"initiated"` // ms since 1970
	ContentType string            `json:"type,omitempty"`
	Metadata    map[string]string `json:"meta,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Attributes
}

type partRecord struct {
	File      string            `json:"file"`
	Size      int64             `json:"size"`
	MD5       string            `json:"md5"`
	ModTime   int64             `json:"mtime"`
	Checksums map[string]string `json:"checksums,omitempty"`
}

func uploadKey(bucket, key, id string) string { return orderedKey(bucket, key) + id }

func partKey(id string, number int) string { return fmt.Sprintf("%s\x00%05d", id, number) }

func (s *Store) removeUploadDir(id string) {
	s.disk.RemoveAll(path.Join(uploadsDir, id)) // what stays is removed by Open
}

// CreateUpload begins a multipart upload. Conditions in opts are ignored: they belong to CompleteUpload.
func (s *Store) CreateUpload(bucketName, key string, opts PutOptions) (Upload, error) {
	b, err := s.bucket(bucketName)
	if err != nil {
		return Upload{}, err
	}
	if err := errors.Join(objstore.CheckKey(key), s.room(0)); err != nil {
		return Upload{}, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.gone {
		return Upload{}, fmt.Errorf("bucket %q: %w", bucketName, objstore.ErrNoSuchBucket)
	}
	id := rand.Text() + rand.Text()
	if err := s.disk.MkdirAll(path.Join(uploadsDir, id)); err != nil {
		return Upload{}, fmt.Errorf("begin upload: %w", diskErr(err))
	}
	if err := s.disk.SyncDir(uploadsDir); err != nil {
		return Upload{}, fmt.Errorf("begin upload: %w", err)
	}
	rec := uploadRecord{s.opts.Now().UnixMilli(), opts.ContentType, opts.Metadata, opts.Headers, opts.Attributes}
	if err := s.uploads.Put(uploadKey(bucketName, key, id), encode(rec)); err != nil {
		return Upload{}, err
	}
	return rec.upload(key, id), nil
}

func (r uploadRecord) upload(key, id string) Upload {
	return Upload{ID: id, Key: key, Initiated: timeOf(r.Initiated), PutOptions: PutOptions{
		PutOptions: objstore.PutOptions{ContentType: r.ContentType, Metadata: r.Metadata, Headers: r.Headers},
		Attributes: r.Attributes,
	}}
}

// Upload describes an upload, or returns ErrNoSuchUpload.
func (s *Store) Upload(bucket, key, id string) (Upload, error) {
	if _, err := s.bucket(bucket); err != nil {
		return Upload{}, err
	}
	rec, err := meta.Load[uploadRecord](s.uploads, uploadKey(bucket, key, id))
	if errors.Is(err, meta.ErrNotFound) {
		return Upload{}, fmt.Errorf("upload %q of %s/%s: %w", id, bucket, key, ErrNoSuchUpload)
	}
	return rec.upload(key, id), err
}

// PutPart stores a part, in place of an earlier one with the same number. seal may be nil; it returns the part's checksums
// after the body was read, or the reason why the part is refused.
func (s *Store) PutPart(ctx context.Context, bucket, key, id string, number int, body io.Reader, seal func(Body) (map[string]string, error)) (Part, error) {
	if _, err := s.Upload(bucket, key, id); err != nil {
		return Part{}, err
	}
	st, err := s.stage(ctx, path.Join(uploadsDir, id), body, md5.New())
	if missing(err) {
		return Part{}, fmt.Errorf("upload %q: %w", id, ErrNoSuchUpload)
	}
	if err != nil {
		return Part{}, fmt.Errorf("write part %d of %s/%s: %w", number, bucket, key, err)
	}
	rec := partRecord{File: st.file, Size: st.size, MD5: st.etag(), ModTime: s.opts.Now().UnixMilli()}
	if seal != nil {
		rec.Checksums, err = seal(st.body())
	}
	if err == nil {
		err = s.savePart(bucket, key, id, number, rec)
	}
	if err != nil {
		s.disk.Remove(st.file)
		return Part{}, err
	}
	return rec.part(number), nil
}

// savePart makes a part known, unless the upload has ended meanwhile.
func (s *Store) savePart(bucket, key, id string, number int, rec partRecord) error {
	lock := s.lockOf(bucket, key)
	lock.Lock()
	defer lock.Unlock()
	if _, err := s.Upload(bucket, key, id); err != nil {
		return err
	}
	old, err := meta.Load[partRecord](s.parts, partKey(id, number))
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		return err
	}
	if err := meta.Save(s.parts, partKey(id, number), rec); err != nil {
		return err
	}
	if old.File != "" {
		s.disk.Remove(old.File)
	}
	return nil
}

func (r partRecord) part(number int) Part {
	return Part{number, r.Size, r.MD5, timeOf(r.ModTime), r.Checksums}
}

// Parts returns the parts of an upload in order, those with a number greater than after.
func (s *Store) Parts(bucket, key, id string, after, limit int) ([]Part, error) {
	if _, err := s.Upload(bucket, key, id); err != nil {
		return nil, err
	}
	var parts []Part
	for e, err := range s.parts.Scan(id+"\x00", partKey(id, after)) {
		if err != nil {
			return nil, err
		}
		if len(parts) == limit {
			break
		}
		var rec partRecord
		var number int
		if err := json.Unmarshal(e.Value, &rec); err != nil {
			return nil, fmt.Errorf("part record: %w", err)
		}
		if _, err := fmt.Sscanf(e.Key[len(id)+1:], "%d", &number); err != nil {
			return nil, fmt.Errorf("part record %q: %w", e.Key, err)
		}
		parts = append(parts, rec.part(number))
	}
	return parts, nil
}

// Uploads returns the bucket's uploads whose key has the prefix, by key, then in no special order; those behind the upload
// afterID of key after (or, without an id, behind that key), at most limit.
func (s *Store) Uploads(bucket, prefix, after, afterID string, limit int) ([]Upload, error) {
	if _, err := s.bucket(bucket); err != nil {
		return nil, err
	}
	start := ""
	if after != "" && afterID == "" {
		start = orderedKey(bucket, after) + "\xff"
	} else if after != "" {
		start = uploadKey(bucket, after, afterID)
	}
	var list []Upload
	for e, err := range s.uploads.Scan(strings.TrimSuffix(orderedKey(bucket, prefix), "\x00\x01"), start) {
		if err != nil {
			return nil, err
		}
		if len(list) == limit {
			break
		}
		key, id, _ := cutOrdered(bucket, e.Key)
		var rec uploadRecord
		if err := json.Unmarshal(e.Value, &rec); err != nil {
			return nil, fmt.Errorf("upload record: %w", err)
		}
		list = append(list, rec.upload(key, id))
	}
	return list, nil
}

// AbortUpload ends an upload and forgets its parts.
func (s *Store) AbortUpload(bucket, key, id string) error {
	lock := s.lockOf(bucket, key)
	lock.Lock()
	defer lock.Unlock()
	if _, err := s.Upload(bucket, key, id); err != nil {
		return err
	}
	batch := new(meta.Batch)
	if err := s.dropUpload(batch, new(meta.Batch), uploadKey(bucket, key, id), id); err != nil {
		return err
	}
	if err := s.meta.Commit(batch); err != nil {
		return err
	}
	s.removeUploadDir(id)
	return nil
}

// dropUpload removes the records of an upload.
func (s *Store) dropUpload(batch, undo *meta.Batch, uploadKey, id string) error {
	raw, err := s.uploads.Get(uploadKey)
	if err != nil {
		return err
	}
	batch.Delete(s.uploads, uploadKey)
	undo.Put(s.uploads, uploadKey, raw)
	for e, err := range s.parts.Scan(id+"\x00", "") {
		if err != nil {
			return err
		}
		batch.Delete(s.parts, e.Key)
		undo.Put(s.parts, e.Key, e.Value)
	}
	return nil
}

// CompletePart names a part of the object to be.
type CompletePart struct {
	Number int
	ETag   string // empty: any
}

// Completion says how CompleteUpload makes the object.
type Completion struct {
	Parts        []CompletePart
	PartBytesMin int64 // of all parts but the last
	IfAbsent     bool
	IfMatch      string
	// Seal is PutOptions.Seal with the chosen parts.
	Seal func(Body, []Part, *Attributes) error
}

// CompleteUpload makes the chosen parts one object. Repeating a completion that succeeded succeeds, as long as the object is
// the current one.
func (s *Store) CompleteUpload(ctx context.Context, bucketName, key, id string, c Completion) (Object, error) {
	b, err := s.bucket(bucketName)
	if err != nil {
		return Object{}, err
	}
	up, err := s.Upload(bucketName, key, id)
	if errors.Is(err, ErrNoSuchUpload) {
		if rec, err := s.loadRecord(bucketName, key); err == nil && rec != nil && rec.Upload == id {
			return rec.object(key), nil
		}
	}
	if err != nil {
		return Object{}, err
	}
	recs, err := s.chooseParts(id, c)
	if err != nil {
		return Object{}, fmt.Errorf("upload %q of %s/%s: %w", id, bucketName, key, err)
	}
	conditions := objstore.PutOptions{IfAbsent: c.IfAbsent, IfMatch: c.IfMatch}
	if err := s.precheck(b, key, conditions); err != nil {
		return Object{}, err
	}
	st, err := s.stage(ctx, tempDir, &partsReader{s: s, recs: recs}, nil)
	if err != nil {
		return Object{}, fmt.Errorf("assemble %s/%s: %w", bucketName, key, err)
	}
	rec, err := assembled(up, st, recs, c)
	if err == nil {
		err = s.publish(b, &write{
			key: key, rec: rec, src: st.file, ifAbsent: c.IfAbsent, ifMatch: c.IfMatch,
			also: func(batch, undo *meta.Batch) error {
				if _, err := s.Upload(bucketName, key, id); err != nil {
					return err // another completion or an abort was faster
				}
				return s.dropUpload(batch, undo, uploadKey(bucketName, key, id), id)
			},
		})
	}
	if err != nil {
		s.disk.Remove(st.file)
		return Object{}, err
	}
	s.removeUploadDir(id)
	return rec.object(key), nil
}

// assembled is the record of the object that the parts make.
func assembled(up Upload, st staged, recs []partRecord, c Completion) (*record, error) {
	rec := newRecord(up.PutOptions)
	rec.Upload = up.ID
	rec.Size, rec.Sum, rec.FileTime = st.size, sumText(st.sum), st.fileTime
	digest := md5.New()
	parts := make([]Part, len(recs))
	rec.Parts = make([]PartInfo, len(recs))
	for i, p := range recs {
		raw, err := hex.DecodeString(p.MD5)
		if err != nil {
			return nil, fmt.Errorf("part record: %w", err)
		}
		digest.Write(raw)
		parts[i] = p.part(c.Parts[i].Number)
		rec.Parts[i] = PartInfo{c.Parts[i].Number, p.Size, p.Checksums}
	}
	rec.ETag = fmt.Sprintf("%x-%d", digest.Sum(nil), len(recs))
	if c.Seal == nil {
		return rec, nil
	}
	return rec, c.Seal(st.body(), parts, &rec.Attributes)
}

func (s *Store) chooseParts(id string, c Completion) ([]partRecord, error) {
	recs := make([]partRecord, len(c.Parts))
	for i, p := range c.Parts {
		if i > 0 && p.Number <= c.Parts[i-1].Number {
			return nil, fmt.Errorf("part %d after part %d: %w", p.Number, c.Parts[i-1].Number, ErrPartOrder)
		}
		rec, err := meta.Load[partRecord](s.parts, partKey(id, p.Number))
		if errors.Is(err, meta.ErrNotFound) || err == nil && p.ETag != "" && p.ETag != rec.MD5 {
			return nil, fmt.Errorf("part %d: %w", p.Number, ErrInvalidPart)
		}
		if err != nil {
			return nil, err
		}
		recs[i] = rec
	}
	for i, rec := range recs {
		if i < len(recs)-1 && rec.Size < c.PartBytesMin {
			return nil, fmt.Errorf("part %d has %d bytes: %w", c.Parts[i].Number, rec.Size, ErrPartTooSmall)
		}
	}
	if len(recs) == 0 {
		return nil, fmt.Errorf("no parts: %w", ErrInvalidPart)
	}
	return recs, nil
}

// partsReader reads the files of parts one after the other.
type partsReader struct {
	s    *Store
	recs []partRecord
	f    diskFile
}

func (r *partsReader) Read(p []byte) (int, error) {
	for {
		if r.f == nil {
			if len(r.recs) == 0 {
				return 0, io.EOF
			}
			f, err := r.s.disk.Open(r.recs[0].File)
			if err != nil {
				return 0, err
			}
			r.f, r.recs = f, r.recs[1:]
		}
		n, err := r.f.Read(p)
		if err == io.EOF {
			err = r.f.Close()
			r.f = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}
