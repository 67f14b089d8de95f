// Package codec turns bytes into the structs of aws-sdk-go-v2 and back, by reflection, in the data formats
// of the AWS protocols: JSON, CBOR (two kinds), and Query forms with XML answers.
//
// There is one decoder and one encoder. The decoder asks a source (JSON, CBOR, form) for the shape that the
// Go type wants next; the encoder tells a sink (JSON, CBOR, XML) what it meets. What a member is called on
// the wire comes from the SDK itself, see plan.
//
// Decoding is bounded in depth and in the number of list and map elements. Members that the type does not
// have are skipped, as AWS does; a value of the wrong type is an *Error in AWS's words.
package codec

import "fmt"

// Bounds of one decoded document.
const (
	depthMax    = 64
	elementsMax = 1 << 19
)

// Error is a document that cannot become the wanted type: what AWS calls a SerializationException.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

func malformed(format string, args ...any) error {
	return &Error{fmt.Sprintf(format, args...)}
}

// notConvertible is AWS's sentence for a value of one type in the place of another.
func notConvertible(found, wanted string) error {
	return malformed("%s cannot be converted to %s", found, wanted)
}

var (
	errDepth    = malformed("Document is nested too deeply")
	errElements = malformed("Document has too many elements")
	errEnd      = malformed("Unexpected end of document")
)

// Epoch says how a CBOR timestamp (tag 1) counts.
type Epoch int

const (
	// Seconds as a double: Smithy RPC v2 CBOR.
	Seconds Epoch = iota
	// Milliseconds as an integer: application/x-amz-cbor-1.1, which the Java SDK speaks.
	Milliseconds
)

// Unions lists a pointer to every union member struct (the SDK's XMemberY types) that an input may
// hold. Without it a union cannot be decoded, as Go knows no list of an interface's implementers.
type Unions []any
