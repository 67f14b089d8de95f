package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const (
	stream = "arn:aws:kinesis:us-east-1:123456789012:stream/orders"
	other  = "arn:aws:kinesis:us-east-1:123456789012:stream/payments"
)

// The people of these tests. Only ann and the session are of the account that the documents speak of.
var (
	ann     = Principal{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/team/ann", UserID: "AIDAANNAAAAAAAAAAAAAA"}
	bob     = Principal{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/bob", UserID: "AIDABOBAAAAAAAAAAAAAA"}
	root    = Principal{Account: "111122223333", ARN: "arn:aws:iam::111122223333:root", UserID: "111122223333"}
	session = Principal{
		Account: "111122223333", ARN: "arn:aws:sts::111122223333:assumed-role/reader/s1", UserID: "AROAREADERAAAAAAAAAAA:s1",
		Role: "arn:aws:iam::111122223333:role/team/reader",
	}
	stranger = Principal{Account: "999999999999", ARN: "arn:aws:iam::999999999999:user/eve", UserID: "AIDAEVEAAAAAAAAAAAAAA"}
)

// statementOf is a document of one statement.
func statementOf(effect, principal, action, resource string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":%q,%s,"Action":%s,"Resource":%s}}`, effect, principal, action, resource)
}

// allowTo is a statement that allows a principal everything on the stream.
func allowTo(principal string) string {
	return statementOf("Allow", `"Principal":`+principal, `"kinesis:*"`, `"`+stream+`"`)
}

func denyBut(principals string) string {
	return statementOf("Deny", `"NotPrincipal":{"AWS":`+principals+`}`, `"*"`, `"*"`)
}

// The rules of IAM's guide: who a statement is about, what, and on what; an explicit deny outweighs every allow.
func TestEvaluate(t *testing.T) {
	put := func(p Principal) Request { return Request{Principal: p, Action: "kinesis:PutRecord", Resource: stream} }
	both := `{"Statement":[
		{"Sid":"a","Effect":"Allow","Principal":"*","Action":"kinesis:*","Resource":"*"},
		{"Sid":"d","Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:user/bob"},"Action":["kinesis:put*","kinesis:Get*"],"Resource":"*"}]}`
	for i, c := range []struct {
		document string
		request  Request
		want     Decision
	}{
		// Principals.
		{allowTo(`"*"`), put(stranger), Allow},
		{allowTo(`{"AWS":"*"}`), put(stranger), Allow},
		{allowTo(`{"AWS":"111122223333"}`), put(ann), Allow},
		{allowTo(`{"AWS":"111122223333"}`), put(session), Allow},
		{allowTo(`{"AWS":"arn:aws:iam::111122223333:root"}`), put(bob), Allow},
		{allowTo(`{"AWS":"111122223333"}`), put(stranger), Undecided},
		{allowTo(`{"AWS":"arn:aws:iam::111122223333:user/team/ann"}`), put(ann), Allow},
		{allowTo(`{"AWS":"arn:aws:iam::111122223333:user/ann"}`), put(ann), Undecided},
		{allowTo(`{"AWS":"arn:aws:iam::111122223333:role/team/reader"}`), put(session), Allow},
		{allowTo(`{"AWS":"arn:aws:iam::111122223333:role/reader"}`), put(session), Undecided},
		{allowTo(`{"AWS":"arn:aws:sts::111122223333:assumed-role/reader/s1"}`), put(session), Allow},
		{allowTo(`{"AWS":"arn:aws:sts::111122223333:assumed-role/reader/s2"}`), put(session), Undecided},
		{allowTo(`{"AWS":["999999999999","AROAREADERAAAAAAAAAAA"]}`), put(session), Allow},
		{allowTo(`{"AWS":"AIDAANNAAAAAAAAAAAAAA"}`), put(ann), Allow},
		{allowTo(`{"AWS":"AIDAANNAAAAAAAAAAAAAA"}`), put(bob), Undecided},
		{allowTo(`{"Service":"firehose.amazonaws.com"}`), put(ann), Undecided},
		{allowTo(`{"Service":"firehose.amazonaws.com","AWS":"999999999999"}`), put(stranger), Allow},
		// NotPrincipal: all levels of whom one leaves out have to be listed.
		{denyBut(`["arn:aws:iam::111122223333:user/bob","arn:aws:iam::111122223333:root"]`), put(bob), Undecided},
		{denyBut(`["arn:aws:iam::111122223333:user/bob","arn:aws:iam::111122223333:root"]`), put(ann), Deny},
		{denyBut(`["arn:aws:iam::111122223333:user/bob","arn:aws:iam::111122223333:root"]`), put(root), Undecided},
		{denyBut(`"arn:aws:iam::111122223333:user/bob"`), put(bob), Deny},
		{denyBut(`["111122223333","arn:aws:sts::111122223333:assumed-role/reader/s1"]`), put(session), Deny},
		{denyBut(`["111122223333","arn:aws:sts::111122223333:assumed-role/reader/s1","arn:aws:iam::111122223333:role/team/reader"]`), put(session), Undecided},
		{denyBut(`["111122223333"]`), put(stranger), Deny},
		{denyBut(`"*"`), put(stranger), Undecided},
		// Deny outweighs, in whatever order; what no statement is about stays undecided.
		{both, put(bob), Deny},
		{both, put(ann), Allow},
		{both, Request{Principal: bob, Action: "kinesis:ListShards", Resource: stream}, Allow},
		{both, Request{Principal: bob, Action: "s3:PutObject", Resource: stream}, Undecided},
		// Actions: any case, wildcards, NotAction.
		{statementOf("Allow", `"Principal":"*"`, `"KINESIS:putrecord"`, `"*"`), put(ann), Allow},
		{statementOf("Allow", `"Principal":"*"`, `"kinesis:Put?ecord"`, `"*"`), put(ann), Allow},
		{statementOf("Allow", `"Principal":"*"`, `"kinesis:PutRecords"`, `"*"`), put(ann), Undecided},
		{statementOf("Allow", `"Principal":"*"`, `["kinesis:Get*","*"]`, `"*"`), put(ann), Allow},
		{strings.Replace(allowTo(`"*"`), `"Action"`, `"NotAction"`, 1), put(ann), Undecided},
		{`{"Statement":{"Effect":"Deny","Principal":"*","NotAction":"kinesis:get*","Resource":"*"}}`, put(ann), Deny},
		// Resources: case counts, wildcards cross every boundary, NotResource.
		{statementOf("Allow", `"Principal":"*"`, `"*"`, `"`+other+`"`), put(ann), Undecided},
		{statementOf("Allow", `"Principal":"*"`, `"*"`, `"arn:*:stream/ord?rs"`), put(ann), Allow},
		{statementOf("Allow", `"Principal":"*"`, `"*"`, `"arn:*:stream/Orders"`), put(ann), Undecided},
		{statementOf("Allow", `"Principal":"*"`, `"*"`, `["`+other+`","arn:aws:kinesis:*/orders"]`), put(ann), Allow},
		{`{"Statement":{"Effect":"Deny","Principal":"*","Action":"*","NotResource":"` + stream + `"}}`, put(ann), Undecided},
		{`{"Statement":{"Effect":"Deny","Principal":"*","Action":"*","NotResource":"` + other + `"}}`, put(ann), Deny},
	} {
		p, err := Parse(c.document, Rules{})
		if err != nil {
			t.Errorf("%d: %s: %v", i, c.document, err)
			continue
		}
		if got := p.Evaluate(&c.request); got != c.want {
			t.Errorf("%d: %s\n\tfor %s: %d, want %d", i, c.document, c.request.Principal.ARN, got, c.want)
		}
	}
}

// Conditions: within one, any value of the document; between conditions, all of them.
func TestConditions(t *testing.T) {
	keys := ann.Keys()
	keys["aws:sourceip"] = []string{"10.1.2.3"}
	keys["aws:currenttime"] = []string{"2026-11-22T08:00:00Z"}
	keys["aws:epochtime"] = []string{"1795334400"}
	keys["aws:securetransport"] = []string{"false"}
	keys["x:colors"] = []string{"red", "blue"}
	keys["x:mapped"] = []string{"::ffff:10.1.2.3"}
	for condition, want := range map[string]bool{
		`{}`: true,
		`{"StringEquals":{"aws:PrincipalAccount":"111122223333"}}`:                                               true,
		`{"StringEquals":{"AWS:principalaccount":["1","111122223333"]}}`:                                         true,
		`{"StringEquals":{"aws:username":"Ann"}}`:                                                                false,
		`{"StringEqualsIgnoreCase":{"aws:username":"ANN"}}`:                                                      true,
		`{"StringNotEqualsIgnoreCase":{"aws:username":"ANN"}}`:                                                   false,
		`{"StringEquals":{"aws:username":"a*"}}`:                                                                 false,
		`{"StringLike":{"aws:username":"a*"}}`:                                                                   true,
		`{"StringLike":{"aws:username":["b*","?n?"]}}`:                                                           true,
		`{"StringNotLike":{"aws:username":["b*","a*"]}}`:                                                         false,
		`{"StringNotEquals":{"aws:username":["bob","eve"]}}`:                                                     true,
		`{"StringEquals":{"aws:username":"ann","aws:PrincipalType":"Account"}}`:                                  false,
		`{"StringEquals":{"aws:username":"ann"},"Bool":{"aws:SecureTransport":true}}`:                            false,
		`{"StringEquals":{"aws:username":"ann"},"Bool":{"aws:SecureTransport":"false"}}`:                         true,
		`{"NumericEquals":{"aws:EpochTime":1795334400}}`:                                                         true,
		`{"NumericNotEquals":{"aws:EpochTime":"1795334400"}}`:                                                    false,
		`{"NumericLessThan":{"aws:EpochTime":"1795334400"}}`:                                                     false,
		`{"NumericLessThanEquals":{"aws:EpochTime":"1795334400.0"}}`:                                             true,
		`{"NumericGreaterThan":{"aws:EpochTime":"2"}}`:                                                           true,
		`{"NumericGreaterThanEquals":{"aws:username":"2"}}`:                                                      false,
		`{"DateGreaterThan":{"aws:CurrentTime":"2026-11-22T07:59:59Z"}}`:                                         true,
		`{"DateLessThan":{"aws:CurrentTime":"2026-11-22"}}`:                                                      false,
		`{"DateLessThanEquals":{"aws:EpochTime":"2026-11-22T08:00:00Z"}}`:                                        true,
		`{"DateEquals":{"aws:CurrentTime":"2026-11-22T09:00:00+01:00"}}`:                                         true,
		`{"DateNotEquals":{"aws:CurrentTime":"2026"}}`:                                                           true,
		`{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`:                                                            true,
		`{"IpAddress":{"aws:SourceIp":["192.168.0.1","10.1.2.3"]}}`:                                              true,
		`{"NotIpAddress":{"aws:SourceIp":["192.168.0.0/16","10.0.0.0/8"]}}`:                                      false,
		`{"IpAddress":{"aws:SourceIp":"2001:db8::/32"}}`:                                                         false,
		`{"IpAddress":{"x:mapped":"10.1.2.0/24"}}`:                                                               true,
		`{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/*"}}`:                                               true,
		`{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:*/ann"}}`:                                   true,
		`{"ArnEquals":{"aws:PrincipalArn":"arn:*:user/team/ann:*:*:*"}}`:                                         false, // * does not cross a colon
		`{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::999999999999:*"}}`:                                      true,
		`{"BinaryEquals":{"aws:username":"ann"}}`:                                                                true,
		`{"Null":{"aws:PrincipalTag/team":"true"}}`:                                                              true,
		`{"Null":{"aws:username":true}}`:                                                                         false,
		`{"Null":{"aws:username":[false]}}`:                                                                      true,
		`{"StringEquals":{"aws:PrincipalTag/team":"a"}}`:                                                         false, // unknown keys are absent
		`{"StringNotEquals":{"aws:PrincipalTag/team":"a"}}`:                                                      true,
		`{"NotIpAddress":{"aws:VpcSourceIp":"10.0.0.0/8"}}`:                                                      true,
		`{"StringEqualsIfExists":{"aws:PrincipalTag/team":"a"}}`:                                                 true,
		`{"StringEqualsIfExists":{"aws:username":"bob"}}`:                                                        false,
		`{"ForAnyValue:StringEquals":{"x:colors":["blue","green"]}}`:                                             true,
		`{"ForAnyValue:StringNotEquals":{"x:colors":["blue","red"]}}`:                                            false,
		`{"ForAllValues:StringEquals":{"x:colors":["blue","green"]}}`:                                            false,
		`{"ForAllValues:StringLike":{"x:colors":["b*","r*"]}}`:                                                   true,
		`{"ForAllValues:StringEquals":{"x:none":"a"}}`:                                                           true,
		`{"ForAnyValue:StringEquals":{"x:none":"a"}}`:                                                            false,
		`{"ForAnyValue:StringNotEquals":{"x:none":"a"}}`:                                                         false,
		`{"ForAnyValue:StringEqualsIfExists":{"x:none":"a"}}`:                                                    true,
		`{"StringEquals":{"aws:PrincipalArn":"arn:aws:iam::${aws:PrincipalAccount}:user/team/${aws:username}"}}`: true,
		`{"StringLike":{"aws:username":"${x:none, 'a'}*"}}`:                                                      true,
		`{"StringLike":{"aws:username":"${x:none}*"}}`:                                                           false, // a variable without a value matches nothing
		`{"StringLike":{"aws:username":"a${*}"}}`:                                                                false,
		`{"StringLike":{"aws:username":"a${?}?"}}`:                                                               false,
		`{"StringEquals":{"aws:username":"${x:colors}"}}`:                                                        false, // nor one with several
	} {
		text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":` + condition + `}]}`
		p, err := Parse(text, Rules{})
		if err != nil {
			t.Errorf("%s: %v", condition, err)
			continue
		}
		if got := p.Evaluate(&Request{Principal: ann, Action: "a:b", Resource: stream, Keys: keys}); (got == Allow) != want {
			t.Errorf("%s: %d, want met %v", condition, got, want)
		}
	}
}

// Variables belong to the language of 2012 and stand in resources too; a value's own * is no wildcard.
func TestVariables(t *testing.T) {
	text := statementOf("Allow", `"Principal":"*"`, `"*"`, `"arn:aws:kinesis:*:stream/${aws:username}"`)
	p, err := Parse(text, Rules{Resource: stream})
	if err != nil || !p.Conditional() {
		t.Fatalf("%v", err)
	}
	ask := func(p *Policy, name string) Decision {
		return p.Evaluate(&Request{Principal: ann, Action: "a:b", Resource: stream, Keys: map[string][]string{"aws:username": {name}}})
	}
	if ask(p, "orders") != Allow || ask(p, "*") != Undecided {
		t.Error("a variable in a resource")
	}
	old, err := Parse(strings.Replace(text, version2012, version2008, 1), Rules{})
	if err != nil || old.Conditional() || ask(old, "orders") != Undecided {
		t.Errorf("2008: %v", err)
	}
}

func TestMalformed(t *testing.T) {
	good := allowTo(`"*"`)
	if _, err := Parse(good, Rules{Service: "kinesis", Resource: stream}); err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	for _, c := range []struct{ document, want string }{
		{``, "Syntax errors in policy. It is not JSON"},
		{`{}`, "Statement is missing"},
		{`{"Statement":[]}`, "There must be 1 to"},
		{`{"Statement":["a"]}`, "A statement must be an object"},
		{`{"Statement":[` + strings.Repeat(`{},`, maxStatements) + `{}]}`, "There must be 1 to"},
		{good + `x`, "Something follows"},
		{good + good, "Something follows"},
		{good[:len(good)-1], "It is not JSON"},
		{good[:len(good)-1] + `,`, "It is not JSON"},
		{`[`, "It is not JSON"},
		{`{"Version":null}`, "null at byte"},
		{`"a"`, "It must be an object"},
		{"{\"Version\":\"\xff\"}", "It is not UTF-8"},
		{`{"Statement":` + deep + `}`, "nested too deeply"},
		{strings.Repeat(" ", maxBytes) + good, "larger than"},
		{replace(`"Version"`, `"version"`), `There is no element "version"`},
		{replace(`"Version":"2012-10-17"`, `"Version":"2012-10-18"`), "Policy document must be version 2012-10-17 or greater."},
		{replace(`"Version":"2012-10-17"`, `"Id":1`), "Id must be a text"},
		{replace(`"Effect":"Allow"`, `"Effect":"allow"`), "Effect must be Allow or Deny"},
		{replace(`"Effect":"Allow"`, `"Effect":"Allow","Effect":"Deny"`), `"Effect" stands twice`},
		{replace(`"Effect":"Allow"`, `"Effect":"Allow","Sid":["a"]`), "Sid must be a text"},
		{replace(`"Effect":"Allow"`, `"Effect":"Allow","Hint":"a"`), `There is no element "Hint"`},
		{`{"Statement":[{"Sid":"a","Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},{"Sid":"a"}]}`, "Statement IDs (SID) in a single policy must be unique."},
		{replace(`"Principal":"*",`, ``), "Missing required field Principal"},
		{replace(`"Principal":"*"`, `"Principal":"*","NotPrincipal":"*"`), "either Principal or NotPrincipal"},
		{replace(`"Principal":"*"`, `"NotPrincipal":{"AWS":"111122223333"}`), "NotPrincipal is not supported with Allow"},
		{replace(`"Principal":"*"`, `"Principal":"111122223333"`), "Invalid principal in policy."},
		{replace(`"Principal":"*"`, `"Principal":{}`), "Invalid principal in policy."},
		{replace(`"Principal":"*"`, `"Principal":{"AWS":"ann"}`), `Invalid principal in policy: "AWS":"ann"`},
		{replace(`"Principal":"*"`, `"Principal":{"AWS":"arn:aws:iam::111122223333:user/*"}`), `Invalid principal in policy: "AWS"`},
		{replace(`"Principal":"*"`, `"Principal":{"AWS":[]}`), "AWS is empty"},
		{replace(`"Principal":"*"`, `"Principal":{"AWS":{"a":"b"}}`), "AWS must be a text or a list of texts"},
		{replace(`"Principal":"*"`, `"Principal":{"Service":"firehose"}`), `Invalid principal in policy: "Service":"firehose"`},
		{replace(`"Principal":"*"`, `"Principal":{"Everyone":"*"}`), `Invalid principal in policy: "Everyone":"*"`},
		{replace(`"Action":"kinesis:*"`, `"Action":[["kinesis:*"]]`), "Action must be a text or a list of texts"},
		{replace(`"Action":"kinesis:*"`, `"Action":"PutRecord"`), "must be prefaced by a vendor"},
		{replace(`"Action":"kinesis:*"`, `"Action":"s3:*"`), "Policy has invalid action: s3:*"},
		{replace(`"Action":"kinesis:*"`, `"Action":"kinesis:"`), "Policy has invalid action: kinesis:"},
		{replace(`,"Action":"kinesis:*"`, ``), "Policy statement must contain actions."},
		{replace(`"Action":"kinesis:*"`, `"Action":"*","NotAction":"*"`), "either Action or NotAction"},
		{replace(`,"Resource":"`+stream+`"`, ``), "Policy statement must contain resources."},
		{replace(stream, "orders"), "must be in ARN format"},
		{replace(stream, other), "Policy statement must apply to the resource " + stream},
		{replace(stream, "arn:${aws:username"), "A policy variable does not end"},
		{replace(stream, "arn:${}"), "has no name"},
		{replace(stream, "arn:${aws:username, x}"), "must stand in single quotes"},
		{replace(`"Resource":"`, `"NotResource":"*","Resource":"`), "either Resource or NotResource"},
		{replace(`"Effect"`, `"Condition":"a","Effect"`), "Condition must be an object"},
		{replace(`"Effect"`, `"Condition":{"Bool":"a"},"Effect"`), "must be an object of keys"},
		{replace(`"Effect"`, `"Condition":{"Equals":{"a:b":"c"}},"Effect"`), "Invalid Condition type : Equals."},
		{replace(`"Effect"`, `"Condition":{"NullIfExists":{"a:b":"true"}},"Effect"`), "Invalid Condition type : NullIfExists."},
		{replace(`"Effect"`, `"Condition":{"Bool":{"b":"true"}},"Effect"`), "must be prefaced by a vendor"},
		{replace(`"Effect"`, `"Condition":{"Bool":{"a:b":"yes"}},"Effect"`), "neither true nor false"},
		{replace(`"Effect"`, `"Condition":{"NumericEquals":{"a:b":"x"}},"Effect"`), "not a number"},
		{replace(`"Effect"`, `"Condition":{"DateEquals":{"a:b":"today"}},"Effect"`), "not a date"},
		{replace(`"Effect"`, `"Condition":{"IpAddress":{"a:b":"10.0.0"}},"Effect"`), "not an IP address"},
		{replace(`"Effect"`, `"Condition":{"ArnEquals":{"a:b":"orders"}},"Effect"`), "not an ARN"},
		{replace(`"Effect"`, `"Condition":{"Bool":{"a:b":[]}},"Effect"`), "is empty"},
	} {
		_, err := Parse(c.document, Rules{Service: "kinesis", Resource: stream})
		if err == nil || !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.200s\n\tgot  %v\n\twant %s", c.document, err, c.want)
		}
	}
}

// FuzzParse: no document stops the parser, and what it accepts can be evaluated; a document that denies all does.
func FuzzParse(f *testing.F) {
	f.Add(allowTo(`{"AWS":["111122223333","arn:aws:iam::111122223333:role/a"],"Service":"a.amazonaws.com"}`))
	f.Add(`{"Version":"2012-10-17","Id":"i","Statement":[{"Sid":"s","Effect":"Deny","NotPrincipal":{"AWS":"*"},"NotAction":["a:*"],"NotResource":"arn:${aws:username, 'x'}?*",
		"Condition":{"ForAnyValue:StringLikeIfExists":{"aws:username":["a*","${*}"]},"Null":{"a:b":true},"DateLessThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"},
		"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"ArnLike":{"aws:PrincipalArn":"arn:*:*:*:*:*"},"NumericLessThan":{"aws:EpochTime":1e3}}}]}`)
	keys := ann.Keys()
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []Kind{Resource, Identity, Trust} {
			p, err := Parse(text, Rules{Kind: kind})
			if err != nil {
				if !errors.Is(err, ErrMalformed) {
					t.Fatalf("%v is not ErrMalformed", err)
				}
				continue
			}
			r := Request{Principal: ann, Action: "kinesis:PutRecord", Resource: stream, Keys: keys}
			p.Evaluate(&r)
			deny, err := Parse(statementOf("Deny", `"Principal":"*"`, `"*"`, `"*"`), Rules{})
			if err != nil {
				t.Fatal(err)
			}
			p.statements = append(p.statements, deny.statements...)
			if p.Evaluate(&r) != Deny {
				t.Fatalf("%q outweighs a deny", text)
			}
		}
	})
}

// FuzzMatch compares the matcher with the plain definition of a pattern.
func FuzzMatch(f *testing.F) {
	f.Add("a*b?c*", "axxbyc")
	f.Add("*a*a*a", "aaaaaaaa")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 12 || len(text) > 12 {
			return
		}
		g, err := compile(pattern, true, false)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := g.match(text, nil), matchPlain(g.tokens, []rune(text)); got != want {
			t.Fatalf("%q on %q: %v", pattern, text, got)
		}
	})
}

func matchPlain(tokens, text []rune) bool {
	switch {
	case len(tokens) == 0:
		return len(text) == 0
	case tokens[0] == anyText:
		return matchPlain(tokens[1:], text) || len(text) > 0 && matchPlain(tokens, text[1:])
	case len(text) == 0:
		return false
	}
	return (tokens[0] == anyOne || tokens[0] == text[0]) && matchPlain(tokens[1:], text[1:])
}

// A document is evaluated for every call on its resource.
func BenchmarkEvaluate(b *testing.B) {
	p, err := Parse(`{"Statement":[
		{"Effect":"Allow","Principal":{"AWS":["111122223333","999999999999"]},"Action":["kinesis:Put*","kinesis:ListShards"],"Resource":"`+stream+`"},
		{"Effect":"Deny","Principal":"*","Action":"kinesis:*","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]}`, Rules{})
	if err != nil {
		b.Fatal(err)
	}
	r := Request{Principal: ann, Action: "kinesis:PutRecord", Resource: stream, Keys: map[string][]string{"aws:sourceip": {"10.0.0.1"}}}
	for b.Loop() {
		if p.Evaluate(&r) != Allow {
			b.Fatal("not allowed")
		}
	}
}
