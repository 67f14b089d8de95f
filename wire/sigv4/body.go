package sigv4

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// What can be wrong with a body. Readers of NewBody return them instead of io.EOF or earlier.
var (
	// ErrPayloadHash: the body is not the one whose hash was signed.
	ErrPayloadHash = errors.New("body does not have the hash that was signed")
	// ErrChunkFormat: the chunks of a streamed body are malformed or end early.
	ErrChunkFormat = errors.New("malformed or incomplete body chunks")
)

// Bounds of a streamed body.
const (
	chunkMax    = 5 << 30 // bytes of one chunk
	lineMax     = 16 << 10
	trailersMax = 32 // lines after the last chunk
)

// Chunked reports whether a payload hash stands for a body in aws-chunked encoding.
func Chunked(payloadHash string) bool {
	return payloadHash == SignedChunks || payloadHash == SignedTrailer || payloadHash == UnsignedTrailer
}

// NewBody returns a reader of the content of body, which payloadHash describes: it checks a plain hash at the end, and
// decodes aws-chunked bodies. Trailers are put into trailer just before io.EOF. With a nil sig chunk signatures are
// not verified.
func (v *Verifier) NewBody(body io.Reader, payloadHash string, sig *Signature, secret string, trailer http.Header) (io.Reader, error) {
	switch {
	case payloadHash == UnsignedPayload:
		return body, nil
	case Chunked(payloadHash):
		c := &chunkReader{
			in:       bufio.NewReaderSize(body, lineMax),
			framed:   payloadHash != UnsignedTrailer,
			trailing: payloadHash != SignedChunks,
			trailer:  trailer,
		}
		if sig != nil && !sig.Version2 && c.framed {
			c.chain = &chain{
				key:  v.key(sig, secret),
				head: sig.Time.Format(stampLayout) + "\n" + sig.scope() + "\n",
				last: sig.hex,
			}
		}
		return c, nil
	}
	sum, err := hex.DecodeString(payloadHash)
	if err != nil || len(sum) != sha256.Size {
		return nil, formatError("x-amz-content-sha256 must be %s, %s, %s, %s or a valid sha256 value.", UnsignedPayload, UnsignedTrailer, SignedChunks, SignedTrailer)
	}
	return &hashReader{in: body, hash: sha256.New(), want: sum}, nil
}

// hashReader passes a body on and compares its hash at the end.
type hashReader struct {
	in   io.Reader
	hash hash.Hash
	want []byte
}

func (h *hashReader) Read(p []byte) (int, error) {
	n, err := h.in.Read(p)
	h.hash.Write(p[:n])
	if err == io.EOF && subtle.ConstantTimeCompare(h.hash.Sum(nil), h.want) != 1 {
		return n, ErrPayloadHash
	}
	return n, err
}

// chain is the running signature over chunks: each covers the one before it.
type chain struct {
	key  []byte
	head string // date and scope, a line each
	last string
}

// verify compares the signature of a chunk or of the trailers, whose string to sign ends in rest.
func (c *chain) verify(kind, rest, signature string) error {
	h := hmac.New(sha256.New, c.key)
	io.WriteString(h, kind+"\n"+c.head+c.last+"\n"+rest)
	want := hex.EncodeToString(h.Sum(nil))
	if subtle.ConstantTimeCompare([]byte(want), []byte(signature)) != 1 {
		return ErrMismatch
	}
	c.last = want
	return nil
}

// chunkReader decodes aws-chunked: "size[;chunk-signature=hex]\r\n" data "\r\n" …, a chunk of size 0, trailers.
type chunkReader struct {
	in       *bufio.Reader
	framed   bool // chunks carry signatures
	trailing bool // trailers may follow
	chain    *chain
	trailer  http.Header

	left      int64 // bytes to come of the present chunk
	signature string
	hash      hash.Hash // of the present chunk, if its signature is verified
	err       error     // what every further Read returns
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for c.err == nil && c.left == 0 {
		c.err = c.nextChunk()
	}
	if c.err != nil {
		return 0, c.err
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.in.Read(p)
	c.left -= int64(n)
	if c.hash != nil {
		c.hash.Write(p[:n])
	}
	if err == io.EOF {
		err = ErrChunkFormat
	}
	if err == nil && c.left == 0 {
		err = c.endChunk()
	}
	c.err = err
	return n, err
}

// nextChunk reads a chunk header; the last one is followed by the trailers and io.EOF.
func (c *chunkReader) nextChunk() error {
	line, err := c.line()
	if err == io.EOF {
		return ErrChunkFormat
	}
	if err != nil {
		return err
	}
	size, extension, _ := strings.Cut(line, ";")
	n, err := strconv.ParseInt(size, 16, 64)
	if err != nil || n < 0 || n > chunkMax {
		return ErrChunkFormat
	}
	c.signature, _ = strings.CutPrefix(extension, "chunk-signature=")
	if c.chain != nil {
		c.hash = sha256.New()
	}
	if n > 0 {
		c.left = n
		return nil
	}
	if err := c.verifyChunk(); err != nil {
		return err
	}
	if err := c.readTrailers(); err != nil {
		return err
	}
	return io.EOF
}

func (c *chunkReader) endChunk() error {
	if err := c.verifyChunk(); err != nil {
		return err
	}
	line, err := c.line()
	if err == io.EOF || err == nil && line != "" {
		return ErrChunkFormat
	}
	return err
}

func (c *chunkReader) verifyChunk() error {
	if c.chain == nil {
		return nil
	}
	rest := emptyPayloadHash + "\n" + hex.EncodeToString(c.hash.Sum(nil))
	return c.chain.verify(algorithm+"-PAYLOAD", rest, c.signature)
}

func (c *chunkReader) readTrailers() error {
	var canonical strings.Builder
	signature := ""
	for range trailersMax {
		line, err := c.line()
		if err != nil && err != io.EOF { // clients differ in how many empty lines they end with
			return err
		}
		if line == "" {
			return c.verifyTrailers(canonical.String(), signature)
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !c.trailing {
			return ErrChunkFormat
		}
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if name == "x-amz-trailer-signature" {
			signature = value
			continue
		}
		canonical.WriteString(name + ":" + value + "\n")
		c.trailer.Add(name, value)
	}
	return ErrChunkFormat
}

func (c *chunkReader) verifyTrailers(canonical, signature string) error {
	if c.chain == nil || !c.trailing {
		return nil
	}
	return c.chain.verify(algorithm+"-TRAILER", HashHex([]byte(canonical)), signature)
}

// line reads up to a line end, which is not returned. The end of the body is io.EOF, but ErrChunkFormat in the middle
// of a line.
func (c *chunkReader) line() (string, error) {
	b, err := c.in.ReadSlice('\n')
	if err == io.EOF && len(b) > 0 || err == bufio.ErrBufferFull {
		return "", ErrChunkFormat
	}
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
