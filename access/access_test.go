package access

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/meta"
)

// clock is a time that tests move.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func open(t *testing.T, keys ...Key) (*Store, *clock, *meta.Store) {
	t.Helper()
	m := meta.NewMem()
	t.Cleanup(func() { m.Close() })
	c := &clock{time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}
	s, err := Open(Options{Meta: m, Keys: keys, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return s, c, m
}

func TestParseKeys(t *testing.T) {
	const file = `# tutorial
[default]
aws_access_key_id = AK1
aws_secret_access_key="s/1+="
region=us-east-1

[profile ann]
AWS_ACCESS_KEY_ID=AK2
aws_secret_access_key=s2
aws_session_token=tok
aws_account_id = 111122223333
[nobody]
region = eu-west-1
`
	path := filepath.Join(t.TempDir(), "aws.cfg")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []Key{{"AK1", "s/1+=", "", "default", ""}, {"AK2", "s2", "tok", "ann", "111122223333"}}
	if len(keys) != 2 || keys[0] != want[0] || keys[1] != want[1] {
		t.Errorf("got %+v", keys)
	}
	for text, want := range map[string]string{
		"aws_access_key_id=a":                     "only one of",
		"[default]\naws_secret_access_key=a\n[b]": "only one of",
		"hello": "neither",
		"aws_access_key_id=a\naws_secret_access_key=b\naws_account_id=11112222333x": "not 12 digits",
	} {
		if _, err := parseKeys(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := os.WriteFile(path, []byte("[default]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); err == nil {
		t.Error("a file without keys is accepted")
	}
	env := map[string]string{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
	if keys := FromEnvironment(func(n string) string { return env[n] }); len(keys) != 1 || keys[0].ID != "a" {
		t.Errorf("from the environment: %+v", keys)
	}
	if keys := FromEnvironment(func(string) string { return "" }); keys != nil {
		t.Errorf("from an empty environment: %+v", keys)
	}
}

func TestLookup(t *testing.T) {
	s, c, m := open(t, Key{ID: "AK", Secret: "s"}, Key{ID: "ANN", Secret: "s2", Profile: "ann"})
	secret, who, err := s.Lookup("AK", "")
	if err != nil || secret != "s" || who.ARN != "arn:aws:iam::000000000000:root" || who.UserID != "000000000000" {
		t.Errorf("%s %+v %v", secret, who, err)
	}
	_, ann, err := s.Lookup("ANN", "")
	if err != nil || ann.ARN != "arn:aws:iam::000000000000:user/ann" || len(ann.UserID) != 21 {
		t.Errorf("%+v %v", ann, err)
	}
	if _, _, err := s.Lookup("AK", "token"); err != ErrInvalidToken {
		t.Errorf("a token with a long-term key: %v", err)
	}
	if _, _, err := s.Lookup("other", ""); err != ErrUnknownKey {
		t.Errorf("unknown key: %v", err)
	}

	session := s.NewSession(ann, time.Hour)
	secret, who, err = s.Lookup(session.ID, session.Token)
	if err != nil || secret != session.Secret || who.ARN != ann.ARN || who.AccessKeyID != session.ID {
		t.Errorf("session: %s %+v %v", secret, who, err)
	}
	if _, _, err := s.Lookup(session.ID, ""); err != ErrUnknownKey {
		t.Errorf("session without its token: %v", err)
	}
	if _, _, err := s.Lookup("ASIAOTHER", session.Token); err != ErrInvalidToken {
		t.Errorf("token of another key: %v", err)
	}
	for i := range session.Token {
		b := []byte(session.Token)
		b[i] ^= 1
		if _, _, err := s.Lookup(session.ID, string(b)); err != ErrInvalidToken {
			t.Fatalf("token changed at %d: %v", i, err)
		}
	}
	// After a restart the session goes on; then it ends.
	s, err = Open(Options{Meta: m, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	if again, _, err := s.Lookup(session.ID, session.Token); err != nil || again != session.Secret {
		t.Errorf("after a restart: %v", err)
	}
	c.t = session.Expires.Add(time.Second)
	if _, _, err := s.Lookup(session.ID, session.Token); err != ErrExpiredToken {
		t.Errorf("expired: %v", err)
	}
	other, _, _ := open(t)
	if _, _, err := other.Lookup(session.ID, session.Token); err != ErrInvalidToken {
		t.Errorf("token of another store: %v", err)
	}
}

const (
	trustFirehose = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"firehose.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	allowAll      = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`
)

// A key of another account has an identity there, and takes it into its sessions.
func TestOtherAccount(t *testing.T) {
	keys := []Key{{ID: "AK1", Secret: "s"}, {ID: "AK2", Secret: "s", Profile: "ann", Account: "111122223333"}}
	s, _, _ := open(t, keys...)
	_, me, err := s.Lookup("AK1", "")
	if err != nil || me.Account != s.Account() {
		t.Fatalf("%+v, %v", me, err)
	}
	_, ann, err := s.Lookup("AK2", "")
	if err != nil || ann.Account != "111122223333" || ann.ARN != "arn:aws:iam::111122223333:user/ann" {
		t.Fatalf("%+v, %v", ann, err)
	}
	session := s.NewSession(ann, time.Hour)
	_, again, err := s.Lookup(session.ID, session.Token)
	if err != nil || again.Account != ann.Account || again.ARN != ann.ARN {
		t.Errorf("in a session: %+v, %v", again, err)
	}
	role, err := s.CreateRole(NewRole{Name: "reader", Path: "/team/", Trust: trustOf(`{"AWS":"111122223333"}`, ``)})
	if err != nil {
		t.Fatal(err)
	}
	if session, err = s.Assume(ann, role.ARN, "s1", "", 0); err != nil {
		t.Fatal(err)
	}
	_, again, err = s.Lookup(session.ID, session.Token)
	if err != nil || again.Account != s.Account() || again.Role != role.ARN {
		t.Errorf("in a role of ours: %+v, %v", again, err)
	}
	if s.KeyAccount("AK2") != "111122223333" || s.KeyAccount("AK1") != s.Account() || s.KeyAccount("x") != s.Account() {
		t.Error("accounts of keys")
	}
	if AccountOf(keys) != "" || AccountOf([]Key{{Profile: "a", Account: "1"}, {Profile: "default", Account: "2"}}) != "2" {
		t.Error("account of a file")
	}
}

func trustOf(principal, rest string) string {
	return `{"Statement":[{"Effect":"Allow","Principal":` + principal + `,"Action":["sts:AssumeRole"]` + rest + `}]}`
}

func TestTrusts(t *testing.T) {
	who := Identity{Account: "000000000000", ARN: "arn:aws:iam::000000000000:user/ann"}
	for _, c := range []struct {
		trust, external string
		want            bool
	}{
		{trustFirehose, "", false},
		{trustOf(`"*"`, ``), "", true},
		{trustOf(`{"AWS":"*"}`, ``), "", true},
		{trustOf(`{"AWS":["111122223333","000000000000"]}`, ``), "", true},
		{trustOf(`{"AWS":"arn:aws:iam::000000000000:root"}`, ``), "", true},
		{trustOf(`{"AWS":"arn:aws:iam::000000000000:user/ann"}`, ``), "", true},
		{trustOf(`{"AWS":"arn:aws:iam::000000000000:user/bob"}`, ``), "", false},
		{trustOf(`{"AWS":"*"}`, `,"Condition":{"StringEquals":{"sts:ExternalId":"e1"}}`), "e1", true},
		{trustOf(`{"AWS":"*"}`, `,"Condition":{"StringEquals":{"sts:ExternalId":"e1"}}`), "e2", false},
		{trustOf(`{"AWS":"*"}`, `,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`), "", false}, // not known here, so absent
		{trustOf(`{"AWS":"*"}`, `,"Condition":{"StringEquals":{"aws:PrincipalAccount":"000000000000"}}`), "", true},
		{`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:*"},{"Effect":"Deny","Principal":{"AWS":"` + who.ARN + `"},"Action":"*"}]}`, "", false},
		{`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:TagSession"}]}`, "", false},
	} {
		if got := trusts(c.trust, who, c.external); got != c.want {
			t.Errorf("%s with %q: %v", c.trust, c.external, got)
		}
	}
}

func TestDocuments(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                        "Syntax errors in policy.",
		`[]`:                       "Syntax errors in policy.",
		`{"Version":"2012-10-17"}`: "Syntax errors in policy.",
		`{"Version":"2020-01-01","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`: "Policy document must be version 2012-10-17 or greater.",
		`{"Statement":{"Effect":"Maybe","Action":"s3:*","Resource":"*"}}`:                        "Syntax errors in policy.",
		`{"Statement":{"Effect":"Allow","Resource":"*"}}`:                                        "Policy statement must contain actions.",
		`{"Statement":{"Effect":"Allow","Action":"s3:*"}}`:                                       "Policy statement must contain resources.",
		`{"Statement":{"Effect":"Allow","Action":"put","Resource":"*"}}`:                         "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
		`{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Principal":"*"}}`:        "Policy document should not specify a principal.",
		allowAll: "",
	} {
		err := checkPolicy(text)
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want) || !errors.Is(err, ErrMalformedPolicy)) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		trustFirehose: "",
		`{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*","Principal":"*"}}`: "Has prohibited field Resource",
		`{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole"}}`:                                "Missing required field Principal",
		strings.Replace(trustFirehose, "firehose", strings.Repeat("f", 2048), 1):                    "Cannot exceed quota for ACLSizePerRole: 2048",
	} {
		err := checkTrust(text)
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// step is one call and the error it should give: its kind and words that it contains.
type step struct {
	name string
	call func() error
	kind error
	text string
}

func walk(t *testing.T, steps []step) {
	t.Helper()
	for _, s := range steps {
		err := s.call()
		if !errors.Is(err, s.kind) || s.kind == nil && err != nil || err != nil && !strings.Contains(err.Error(), s.text) {
			t.Fatalf("%s: %v, want %v %q", s.name, err, s.kind, s.text)
		}
	}
}

func TestRoles(t *testing.T) {
	s, _, m := open(t)
	const aws = "arn:aws:iam::aws:policy/AmazonKinesisFullAccess"
	create := func(name string) func() error {
		return func() error {
			_, err := s.CreateRole(NewRole{Name: name, Path: "/x/", Trust: trustFirehose, Tags: []Tag{{"a", "1"}}})
			return err
		}
	}
	walk(t, []step{
		{"malformed", func() error { _, err := s.CreateRole(NewRole{Name: "r", Trust: "{"}); return err }, ErrMalformedPolicy, ""},
		{"create", create("Role"), nil, ""},
		{"again", create("Role"), ErrExists, "Role with name Role already exists."},
		{"other case", create("rOLE"), ErrExists, ""},
		{"inline", func() error { return s.PutInline("Role", "p", allowAll) }, nil, ""},
		{"inline of nobody", func() error { return s.PutInline("Nobody", "p", allowAll) }, ErrNotFound, "The role with name Nobody cannot be found."},
		{"inline too large", func() error {
			return s.PutInline("Role", "q", strings.Replace(allowAll, "s3:*", "s3:"+strings.Repeat("x", 10240), 1))
		}, ErrLimit, "Maximum policy size of 10240 bytes exceeded for role Role"},
		{"attach", func() error { return s.Attach("Role", aws) }, nil, ""},
		{"attach twice", func() error { return s.Attach("Role", aws) }, nil, ""},
		{"attach none", func() error { return s.Attach("Role", "arn:aws:iam::000000000000:policy/none") }, ErrNotFound, "does not exist or is not attachable"},
		{"delete", func() error { return s.DeleteRole("Role") }, ErrConflict, "must detach all policies first"},
		{"detach", func() error { return s.Detach("Role", aws) }, nil, ""},
		{"detach twice", func() error { return s.Detach("Role", aws) }, ErrNotFound, "was not found"},
		{"delete", func() error { return s.DeleteRole("Role") }, ErrConflict, "must delete policies first"},
		{"no inline", func() error { return s.DeleteInline("Role", "z") }, ErrNotFound, "The role policy with name z cannot be found."},
		{"tags", func() error { return s.TagRole("Role", []Tag{{"A", "2"}, {"b", "3"}}) }, nil, ""},
		{"untag", func() error { return s.UntagRole("Role", []string{"B", "none"}) }, nil, ""},
	})
	// A new store over the same metadata sees what was written.
	s, err := Open(Options{Meta: m})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Role("role")
	if err != nil || r.ARN != "arn:aws:iam::000000000000:role/x/Role" || r.MaxSession != time.Hour || len(r.Tags) != 1 || r.Tags[0].Value != "2" || r.Inline["p"] != allowAll || !strings.HasPrefix(r.ID, "AROA") {
		t.Errorf("%+v, %v", r, err)
	}
	if all, err := s.Roles("/y/"); err != nil || len(all) != 0 {
		t.Errorf("roles of another path: %v %v", all, err)
	}
	walk(t, []step{
		{"delete inline", func() error { return s.DeleteInline("Role", "p") }, nil, ""},
		{"delete", func() error { return s.DeleteRole("Role") }, nil, ""},
		{"delete twice", func() error { return s.DeleteRole("Role") }, ErrNotFound, "cannot be found"},
	})
}

func TestAssume(t *testing.T) {
	s, _, _ := open(t)
	me := Identity{Account: "000000000000", ARN: "arn:aws:iam::000000000000:root", UserID: "000000000000"}
	r, err := s.CreateRole(NewRole{Name: "r", Trust: trustOf(`{"AWS":"000000000000"}`, "")})
	if err != nil {
		t.Fatal(err)
	}
	session, err := s.Assume(me, r.ARN, "s1", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	_, who, err := s.Lookup(session.ID, session.Token)
	if err != nil || who.ARN != "arn:aws:sts::000000000000:assumed-role/r/s1" || who.UserID != r.ID+":s1" {
		t.Errorf("%+v, %v", who, err)
	}
	for _, arn := range []string{"arn:aws:iam::000000000000:role/none", "arn:aws:iam::111111111111:role/r", "arn:aws:iam::000000000000:role/x/r"} {
		if _, err := s.Assume(me, arn, "s1", "", 0); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "is not authorized to perform: sts:AssumeRole on resource: "+arn) {
			t.Errorf("%s: %v", arn, err)
		}
	}
	if _, err := s.Assume(me, r.ARN, "s1", "", 2*time.Hour); !errors.Is(err, ErrInvalid) {
		t.Errorf("longer than the role allows: %v", err)
	}
}

func TestPolicies(t *testing.T) {
	s, _, _ := open(t)
	p, err := s.CreatePolicy(NewPolicy{Name: "P", Document: allowAll})
	if err != nil || p.ARN != "arn:aws:iam::000000000000:policy/P" || p.Default != "v1" {
		t.Fatalf("%+v, %v", p, err)
	}
	if _, err := s.CreateRole(NewRole{Name: "r", Trust: trustFirehose}); err != nil {
		t.Fatal(err)
	}
	add := func(inForce bool) func() error {
		return func() error { _, err := s.AddVersion(p.ARN, allowAll, inForce); return err }
	}
	walk(t, []step{
		{"twice", func() error { _, err := s.CreatePolicy(NewPolicy{Name: "p", Document: allowAll}); return err }, ErrExists, "A policy called p already exists"},
		{"too large", func() error {
			_, err := s.CreatePolicy(NewPolicy{Name: "q", Document: strings.Replace(allowAll, "s3:*", "s3:"+strings.Repeat("x", 6144), 1)})
			return err
		}, ErrLimit, "PolicySize: 6144"},
		{"attach", func() error { return s.Attach("r", p.ARN) }, nil, ""},
		{"delete attached", func() error { return s.DeletePolicy(p.ARN) }, ErrConflict, "Cannot delete a policy attached to entities."},
		{"detach", func() error { return s.Detach("r", p.ARN) }, nil, ""},
		{"v2", add(true), nil, ""},
		{"delete with versions", func() error { return s.DeletePolicy(p.ARN) }, ErrConflict, "more than one version"},
		{"delete default", func() error { return s.DeleteVersion(p.ARN, "v2") }, ErrConflict, "Cannot delete the default version of a policy."},
		{"v3", add(false), nil, ""}, {"v4", add(false), nil, ""}, {"v5", add(false), nil, ""},
		{"v6", add(false), ErrLimit, "up to 5 versions"},
		{"delete v3", func() error { return s.DeleteVersion(p.ARN, "v3") }, nil, ""},
		{"delete v3 twice", func() error { return s.DeleteVersion(p.ARN, "v3") }, ErrNotFound, "version v3 does not exist"},
		{"v6", add(false), nil, ""},
		{"default none", func() error { return s.SetDefaultVersion(p.ARN, "v3") }, ErrNotFound, ""},
		{"default", func() error { return s.SetDefaultVersion(p.ARN, "v6") }, nil, ""},
		{"none", func() error { return s.DeletePolicy("arn:aws:iam::000000000000:policy/none") }, ErrNotFound, "was not found"},
	})
	if p, err := s.Policy(p.ARN); err != nil || p.Default != "v6" || len(p.Versions) != 5 {
		t.Errorf("%+v, %v", p, err)
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add("[default]\naws_access_key_id=a\naws_secret_access_key=b\n")
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := parseKeys(strings.NewReader(text))
		for _, k := range keys {
			if err == nil && (k.ID == "" || k.Secret == "") {
				t.Fatalf("%q gave %+v", text, k)
			}
		}
	})
}

func FuzzDocument(f *testing.F) {
	f.Add(allowAll)
	f.Add(trustFirehose)
	f.Add(trustOf(`{"AWS":"*"}`, `,"Condition":{"StringEquals":{"sts:ExternalId":["e1"]}}`))
	f.Fuzz(func(t *testing.T, text string) {
		who := Identity{Account: "000000000000", ARN: "arn:aws:iam::000000000000:root"}
		if trusts(text, who, "") && checkTrust(text) != nil && len(text) < trustPolicyMax && !strings.Contains(strings.ToLower(text), "resource") {
			t.Fatalf("trusted, but malformed: %s", text)
		}
		checkPolicy(text)
	})
}
