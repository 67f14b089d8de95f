package access

import (
	"bufio"
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Key is a long-term access key.
type Key struct {
	ID      string
	Secret  string
	Token   string // session token that must come with it; usually empty
	Profile string // name of its user
	Account string // of its user, 12 digits; empty: the one that the server is for
}

// Identity is who a key belongs to.
type Identity struct {
	Account     string
	ARN         string
	UserID      string
	AccessKeyID string
	Role        string // ARN of the role that a session is of; else empty
}

// ReadFile reads the keys of a file in the form of the AWS shared credentials file, which aws.cfg has too: sections of
// "name = value" lines, among them aws_access_key_id and aws_secret_access_key. Sections without keys are passed over.
// A section with another aws_account_id than the server's is a user of that account.
func ReadFile(path string) ([]Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	defer f.Close()
	keys, err := parseKeys(f)
	if err != nil {
		return nil, fmt.Errorf("read credentials %s: %w", path, err)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("read credentials %s: no aws_access_key_id in it", path)
	}
	return keys, nil
}

func parseKeys(in io.Reader) ([]Key, error) {
	var keys []Key
	k := Key{Profile: "default"}
	flush := func() error {
		if (k.ID == "") != (k.Secret == "") {
			return fmt.Errorf("profile %s has only one of aws_access_key_id and aws_secret_access_key", k.Profile)
		}
		if k.Account != "" && !validAccount(k.Account) {
			return fmt.Errorf("profile %s: aws_account_id %q is not 12 digits", k.Profile, k.Account)
		}
		if k.ID != "" {
			keys = append(keys, k)
		}
		return nil
	}
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			if err := flush(); err != nil {
				return nil, err
			}
			name := strings.TrimSpace(line[1 : len(line)-1])
			k = Key{Profile: strings.TrimSpace(strings.TrimPrefix(name, "profile "))}
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("line %d is neither a [section] nor name = value", n)
		}
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "aws_access_key_id":
			k.ID = value
		case "aws_secret_access_key":
			k.Secret = value
		case "aws_session_token":
			k.Token = value
		case "aws_account_id":
			k.Account = value
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return keys, flush()
}

func validAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

// AccountOf is the account that the file of keys calls its owner's: that of the default profile, if it names one.
func AccountOf(keys []Key) string {
	for _, k := range keys {
		if k.Profile == "default" && k.Account != "" {
			return k.Account
		}
	}
	return ""
}

// FromEnvironment returns the key in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, if there is one.
func FromEnvironment(getenv func(string) string) []Key {
	k := Key{ID: getenv("AWS_ACCESS_KEY_ID"), Secret: getenv("AWS_SECRET_ACCESS_KEY"), Token: getenv("AWS_SESSION_TOKEN"), Profile: "default"}
	if k.ID == "" || k.Secret == "" {
		return nil
	}
	return []Key{k}
}

// Lookup returns the secret of an access key and who it belongs to. token is the session token of temporary
// credentials, else empty. Errors are ErrUnknownKey, ErrInvalidToken and ErrExpiredToken.
func (s *Store) Lookup(id, token string) (secret string, who Identity, err error) {
	if k, ok := s.keys[id]; ok {
		if subtle.ConstantTimeCompare([]byte(k.Token), []byte(token)) != 1 {
			return "", Identity{}, ErrInvalidToken
		}
		return k.Secret, s.keyOwner(k), nil
	}
	if token == "" {
		return "", Identity{}, ErrUnknownKey
	}
	claims, err := s.openToken(token)
	if err != nil {
		return "", Identity{}, err
	}
	if claims.ID != id {
		return "", Identity{}, ErrInvalidToken
	}
	return s.secretOf(token), Identity{claims.Account, claims.ARN, claims.UserID, id, claims.Role}, nil
}

// keyOwner is the user of a long-term key: the account's root for the default profile, else a user of the profile's
// name.
func (s *Store) keyOwner(k Key) Identity {
	account := cmp.Or(k.Account, s.account)
	if k.Profile == "" || k.Profile == "default" {
		return Identity{Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account, AccessKeyID: k.ID}
	}
	sum := sha256.Sum256([]byte(account + "/" + k.Profile))
	id := strings.ToUpper(base64.RawURLEncoding.EncodeToString(sum[:]))
	id = strings.NewReplacer("-", "A", "_", "B").Replace(id)[:17]
	return Identity{Account: account, ARN: "arn:aws:iam::" + account + ":user/" + k.Profile, UserID: "AIDA" + id, AccessKeyID: k.ID}
}

// KeyAccount is the account of a long-term key's user; that of the store for an id that is not known.
func (s *Store) KeyAccount(id string) string { return cmp.Or(s.keys[id].Account, s.account) }

// Session is temporary credentials.
type Session struct {
	ID      string
	Secret  string
	Token   string
	Expires time.Time
	Owner   Identity
}

// claims is what a session token says.
type claims struct {
	ID      string    `json:"id"`
	Account string    `json:"account"`
	ARN     string    `json:"arn"`
	UserID  string    `json:"user"`
	Role    string    `json:"role,omitempty"`
	Expires time.Time `json:"expires"`
}

// NewSession makes temporary credentials for who, valid for so long.
func (s *Store) NewSession(who Identity, valid time.Duration) Session {
	c := claims{
		ID: "ASIA" + rand.Text()[:16], Account: who.Account, ARN: who.ARN, UserID: who.UserID, Role: who.Role,
		Expires: s.now().Add(valid).UTC().Truncate(time.Second),
	}
	payload, err := json.Marshal(c)
	if err != nil {
		panic(err) // texts and a time always marshal
	}
	token := base64.RawStdEncoding.EncodeToString(append(s.sum("token", payload), payload...))
	who.AccessKeyID = c.ID
	return Session{ID: c.ID, Secret: s.secretOf(token), Token: token, Expires: c.Expires, Owner: who}
}

// tokenMax bounds a session token; ours are a few hundred bytes.
const tokenMax = 4096

func (s *Store) openToken(token string) (claims, error) {
	if len(token) > tokenMax {
		return claims{}, ErrInvalidToken
	}
	raw, err := base64.RawStdEncoding.DecodeString(token)
	if err != nil || len(raw) < sha256.Size {
		return claims{}, ErrInvalidToken
	}
	payload := raw[sha256.Size:]
	if !hmac.Equal(raw[:sha256.Size], s.sum("token", payload)) {
		return claims{}, ErrInvalidToken
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return claims{}, ErrInvalidToken
	}
	if s.now().After(c.Expires) {
		return claims{}, ErrExpiredToken
	}
	return c, nil
}

// secretOf derives the secret that goes with a token: 40 characters, as AWS has them.
func (s *Store) secretOf(token string) string {
	return base64.StdEncoding.EncodeToString(s.sum("secret", []byte(token))[:30])
}

func (s *Store) sum(purpose string, data []byte) []byte {
	h := hmac.New(sha256.New, s.mac)
	h.Write([]byte(purpose + "\x00"))
	h.Write(data)
	return h.Sum(nil)
}
