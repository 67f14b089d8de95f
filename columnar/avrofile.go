package columnar

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/twmb/avro"
)

// Object container files (specification, "Object Container Files"): "Obj" 1, a map of metadata with avro.schema and avro.codec, 16 bytes of a
// marker; then blocks of a count, a size, that many bytes, and the marker.

// avroBlockMax bounds the blocks of a container after decompression.
const avroBlockMax = 64 << 20

// avroFingerprint is the CRC-64-AVRO of a schema, as records of framing single-object begin with it.
func avroFingerprint(schema string) ([]byte, error) {
	s, err := avro.Parse(schema)
	if err != nil {
		return nil, fmt.Errorf("%w: schema: %w", ErrAvro, err)
	}
	sum := s.Fingerprint(avro.NewRabin())
	out := make([]byte, 8)
	binary.LittleEndian.PutUint64(out, binary.BigEndian.Uint64(sum))
	return out, nil
}

// AvroContainerSchema is the schema of the records of an object container file, whose first bytes are enough.
func AvroContainerSchema(file []byte) (string, error) {
	r := avroReader{b: file}
	schema, _, _, err := r.containerHeader()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrAvro, err)
	}
	return schema, nil
}

func (r *avroReader) containerHeader() (schema, codec string, marker []byte, err error) {
	magic, err := r.take(4)
	if err != nil || string(magic) != "Obj\x01" {
		return "", "", nil, errors.New("does not begin as a container")
	}
	for {
		n, err := r.varint()
		if err != nil {
			return "", "", nil, err
		}
		if n == 0 {
			break
		}
		if n < 0 {
			if _, err := r.varint(); err != nil {
				return "", "", nil, err
			}
			n = -n
		}
		if n < 0 || n > int64(len(r.b)) {
			return "", "", nil, errAvroEnd
		}
		for range n {
			key, err := r.bytes()
			if err != nil {
				return "", "", nil, err
			}
			value, err := r.bytes()
			if err != nil {
				return "", "", nil, err
			}
			switch string(key) {
			case "avro.schema":
				schema = string(value)
			case "avro.codec":
				codec = string(value)
			}
		}
	}
	marker, err = r.take(16)
	return schema, codec, marker, err
}

// readContainer reads all records of a container file.
func (d *AvroDecoder) readContainer(file []byte) error {
	r := avroReader{AvroDecoder: d, b: file}
	schema, codec, marker, err := r.containerHeader()
	if err != nil {
		return err
	}
	if d.plan == nil || schema != d.container {
		if d.plan, err = d.compile(schema); err != nil {
			return err
		}
		d.container = schema
	}
	for total := 0; len(r.b) > 0; {
		count, err := r.varint()
		if err != nil {
			return err
		}
		block, err := r.bytes()
		if err != nil {
			return err
		}
		if block, err = inflateBlock(codec, block); err != nil {
			return err
		}
		if total += len(block); total > avroBlockMax {
			return fmt.Errorf("holds more than %d bytes", avroBlockMax)
		}
		if len(block) > math.MaxInt32-d.size {
			return ErrFull
		}
		d.size += len(block)
		if err := d.readBlock(count, block); err != nil {
			return err
		}
		if end, err := r.take(16); err != nil || !bytes.Equal(end, marker) {
			return errors.New("lacks the marker behind a block")
		}
	}
	return nil
}

// readBlock reads count records, which fill block.
func (d *AvroDecoder) readBlock(count int64, block []byte) error {
	r := avroReader{AvroDecoder: d, b: block}
	for range count {
		if d.cells -= 1 + len(d.cols); d.cells < 0 { // records without bytes would have no end
			return errAvroCells
		}
		if err := r.record(d.plan); err != nil {
			return err
		}
		d.rows++
	}
	if len(r.b) > 0 || count < 0 {
		return errors.New("has a block with other than the records that it counts")
	}
	return nil
}

// inflateBlock undoes a codec.
func inflateBlock(codec string, block []byte) ([]byte, error) {
	var r io.Reader
	switch codec {
	case "", "null":
		return block, nil
	case "deflate":
		r = flate.NewReader(bytes.NewReader(block))
	case "zstandard":
		z, err := zstd.NewReader(bytes.NewReader(block), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(avroBlockMax))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		r = z
	case "snappy":
		return inflateSnappy(block)
	default:
		return nil, fmt.Errorf("has codec %q; known are null, deflate, snappy and zstandard", clip(codec, 40))
	}
	out, err := io.ReadAll(io.LimitReader(r, avroBlockMax+1))
	if err != nil {
		return nil, fmt.Errorf("has a block that is not %s: %w", codec, err)
	}
	return out, nil
}

// inflateSnappy reads a block of snappy and the CRC-32 of its text behind it.
func inflateSnappy(block []byte) ([]byte, error) {
	if len(block) < 4 {
		return nil, errAvroEnd
	}
	body, sum := block[:len(block)-4], binary.BigEndian.Uint32(block[len(block)-4:])
	if n, err := snappy.DecodedLen(body); err != nil || n > avroBlockMax {
		return nil, errors.New("has a block that is not snappy, or too large")
	}
	out, err := snappy.Decode(nil, body)
	if err != nil || crc32.ChecksumIEEE(out) != sum {
		return nil, errors.New("has a block that is not snappy")
	}
	return out, nil
}
