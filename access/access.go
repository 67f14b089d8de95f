// Package access knows who may call: access keys from a file or the environment, temporary credentials, and the roles
// and policies of an account.
//
// Open returns the Store. Lookup is asked for every signed request. Roles and Policies are kept in the metadata store;
// a change that returned nil survives a crash. Keys may belong to users of other accounts. Temporary credentials are not stored: the session token carries all there
// is to know, under a MAC whose key is in the metadata store, so they work until they expire, also after a restart.
package access

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/weir-data/weir/internal/meta"
)

// Kinds of errors; test for them with errors.Is. What a caller did wrong comes as an *Error of one of these kinds.
var (
	ErrNotFound        = errors.New("no such entity")
	ErrExists          = errors.New("entity already exists")
	ErrConflict        = errors.New("entity is in use")
	ErrLimit           = errors.New("limit exceeded")
	ErrMalformedPolicy = errors.New("malformed policy document")
	ErrInvalid         = errors.New("invalid input")
	ErrDenied          = errors.New("access denied")

	// ErrUnknownKey, ErrInvalidToken and ErrExpiredToken are what Lookup says.
	ErrUnknownKey   = errors.New("unknown access key")
	ErrInvalidToken = errors.New("session token is not valid")
	ErrExpiredToken = errors.New("session token has expired")
)

// Error is a refusal, with its message as IAM words it.
type Error struct {
	Kind    error
	Message string
}

func (e *Error) Error() string { return e.Message }

// Unwrap is for errors.Is.
func (e *Error) Unwrap() error { return e.Kind }

func refuse(kind error, format string, args ...any) error {
	return &Error{kind, fmt.Sprintf(format, args...)}
}

// Options of Open. Zero fields are defaults.
type Options struct {
	Meta    *meta.Store // never nil
	Account string      // 12 digits, default 000000000000
	Keys    []Key       // long-term keys; see ReadFile and FromEnvironment
	Now     func() time.Time
}

// Store is the access keys, roles and policies of one account. Safe for concurrent use.
type Store struct {
	account string
	keys    map[string]Key
	now     func() time.Time
	space   meta.Space
	mac     []byte // signs session tokens

	mu sync.Mutex // held from reading an entity to writing it back
}

// Open reads or makes the key that signs session tokens.
func Open(opts Options) (*Store, error) {
	s := &Store{account: opts.Account, keys: map[string]Key{}, now: opts.Now, space: opts.Meta.Space("access")}
	if s.account == "" {
		s.account = "000000000000"
	}
	if s.now == nil {
		s.now = time.Now
	}
	for _, k := range opts.Keys {
		if k.ID == "" || k.Secret == "" {
			return nil, errors.New("an access key needs an id and a secret")
		}
		s.keys[k.ID] = k
	}
	mac, err := s.space.Get("token-key")
	if errors.Is(err, meta.ErrNotFound) {
		mac = make([]byte, 32)
		rand.Read(mac) // never fails
		err = s.space.Put("token-key", mac)
	}
	if err != nil {
		return nil, fmt.Errorf("open access store: %w", err)
	}
	s.mac = mac
	return s, nil
}

// Account is the 12 digits of the account that the store is for.
func (s *Store) Account() string { return s.account }

// Tag is a key and value on a role or policy.
type Tag struct{ Key, Value string }

// setTags returns old with the values of set put in, in the order in which keys came.
func setTags(old, set []Tag) ([]Tag, error) {
	out := append([]Tag(nil), old...)
next:
	for _, t := range set {
		for i := range out {
			if strings.EqualFold(out[i].Key, t.Key) {
				out[i] = t
				continue next
			}
		}
		out = append(out, t)
	}
	if len(out) > tagsMax {
		return nil, refuse(ErrLimit, "The number of tags has reached the maximum limit.")
	}
	return out, nil
}

func dropTags(old []Tag, keys []string) []Tag {
	var out []Tag
	for _, t := range old {
		dropped := false
		for _, k := range keys {
			dropped = dropped || strings.EqualFold(t.Key, k)
		}
		if !dropped {
			out = append(out, t)
		}
	}
	return out
}

// Limits, as in the IAM and STS quotas.
const (
	tagsMax            = 50
	trustPolicyMax     = 2048
	inlinePoliciesMax  = 10240 // characters of all of a role's inline policies
	managedPolicyMax   = 6144
	policyVersionsMax  = 5
	attachedMax        = 10
	rolesMax           = 1000
	managedPoliciesMax = 1500
)

// uniqueID is an id as IAM makes them: a prefix that tells the kind, and 17 letters and digits.
func uniqueID(prefix string) string {
	return prefix + rand.Text()[:17]
}
