package kinesis

// Who may call what. A caller of the account that the streams belong to may do everything that no resource policy denies;
// identity policies are not evaluated here. On a server that verifies no signatures everyone is that account's root, whom
// a Deny for "*" stops as well. A caller of another account may do what the policy of the stream or consumer allows, of
// the operations that AWS lets accounts share; it has to use the owner's ARN, as a name alone means a stream of its own
// account, which does not exist here.
//
// As a way out, the account's root may always read, put and delete resource policies.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weir-data/weir/access/policy"
	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

// sharedOperations are those that a resource policy can allow to other accounts. The management of a stream is its
// owner's.
var sharedOperations = map[string]bool{
	"PutRecord": true, "PutRecords": true, "GetRecords": true, "GetShardIterator": true, "SubscribeToShard": true,
	"DescribeStream": true, "DescribeStreamSummary": true, "ListShards": true,
	"RegisterStreamConsumer": true, "DescribeStreamConsumer": true, "DeregisterStreamConsumer": true, "ListStreamConsumers": true,
}

// Why a request is denied, as AWS says it.
const (
	notAllowed       = "because no resource-based policy allows the kinesis:%s action"
	explicitlyDenied = "with an explicit deny in a resource-based policy"
)

func denied(who wire.Identity, operation, arn, why string) error {
	if why == notAllowed {
		why = fmt.Sprintf(notAllowed, operation)
	}
	return wire.Errorf("AccessDeniedException", http.StatusBadRequest,
		"User: %s is not authorized to perform: kinesis:%s on resource: %s %s", who.ARN, operation, arn, why)
}

// admitForeign refuses what a caller of another account cannot be allowed by any policy.
func admitForeign(who wire.Identity, operation string, a address, ours bool) error {
	arn := a.anyARN()
	switch shared := sharedOperations[operation]; {
	case shared && arn == nil && a.name != nil:
		return resourceNotFound("Stream %s under account %s not found.", *a.name, who.Account)
	case !shared || !ours:
		return denied(who, operation, cmp.Or(value(arn), "*"), notAllowed)
	}
	return nil
}

// authorize asks the policy of a resource, if it has one.
func (s *service) authorize(ctx context.Context, operation string, to resource) error {
	text, arn, err := s.policyOf(ctx, to)
	if err != nil {
		return err
	}
	who := wire.Caller(ctx)
	foreign := who.Account != s.streams.Account()
	switch {
	case text == "" && foreign:
		return denied(who, operation, s.arnPrefix+to.stream, notAllowed)
	case text == "", !foreign && managesPolicy(operation) && strings.HasSuffix(who.ARN, ":root"):
		return nil
	}
	p, err := s.policies.parsed(text)
	if err != nil {
		return fmt.Errorf("policy of %s: %w", arn, err) // nobody rather than everybody
	}
	r := policy.Request{
		Principal: policy.Principal{Account: who.Account, ARN: who.ARN, UserID: who.UserID, Role: who.Role},
		Action:    "kinesis:" + operation,
		Resource:  arn,
	}
	if p.Conditional() {
		r.Keys = s.conditionKeys(ctx, &r.Principal, to)
	}
	switch decision := p.Evaluate(&r); {
	case decision == policy.Deny:
		return denied(who, operation, arn, explicitlyDenied)
	case foreign && decision != policy.Allow:
		return denied(who, operation, arn, notAllowed)
	}
	return nil
}

func managesPolicy(operation string) bool {
	return operation == "GetResourcePolicy" || operation == "PutResourcePolicy" || operation == "DeleteResourcePolicy"
}

// policyOf returns the policy of a resource and the ARN that it is about. What does not exist has none: the operation will
// say so.
func (s *service) policyOf(ctx context.Context, of resource) (text, arn string, err error) {
	if of.consumer != "" {
		_, c, err := s.findConsumer(ctx, of.stream, of.consumer)
		if err != nil {
			return "", "", nil
		}
		return c.Policy, c.ARN, nil
	}
	text, err = s.streams.Policy(of.stream)
	if errors.Is(err, stream.ErrNotFound) {
		return "", "", nil
	}
	if text == "" || err != nil {
		return "", "", err
	}
	return text, s.arnPrefix + of.stream, nil
}

// conditionKeys are the values of the global condition keys that are known here. Others, principal tags among them, are
// absent.
func (s *service) conditionKeys(ctx context.Context, who *policy.Principal, to resource) map[string][]string {
	now, peer := s.now().UTC(), wire.PeerOf(ctx)
	keys := who.Keys()
	maps.Copy(keys, map[string][]string{
		"aws:currenttime":     {now.Format(time.RFC3339)},
		"aws:epochtime":       {strconv.FormatInt(now.Unix(), 10)},
		"aws:securetransport": {strconv.FormatBool(peer.TLS)},
		"aws:requestedregion": {wire.Region(ctx)},
	})
	if from, err := netip.ParseAddrPort(peer.Addr); err == nil {
		keys["aws:sourceip"] = []string{from.Addr().Unmap().WithZone("").String()}
	}
	d, err := s.streams.Describe(ctx, to.stream)
	if err != nil {
		return keys
	}
	tags := d.Tags
	if to.consumer != "" {
		i := slices.IndexFunc(d.Consumers, func(c stream.Consumer) bool { return c.Name == to.consumer })
		if i < 0 {
			return keys
		}
		tags = d.Consumers[i].Tags
	}
	for k, v := range tags {
		keys["aws:resourcetag/"+strings.ToLower(k)] = []string{v}
	}
	return keys
}

// policies are the parsed forms of the policies that are in use. The zero value is ready.
type policies struct {
	mu     sync.Mutex // guards byText
	byText map[string]*policy.Policy
}

// policiesMax bounds the parsed policies that are kept.
const policiesMax = 1000

func (c *policies) parsed(text string) (*policy.Policy, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.byText[text]; p != nil {
		return p, nil
	}
	p, err := policy.Parse(text, policy.Rules{})
	if err != nil {
		return nil, err
	}
	if c.byText == nil || len(c.byText) >= policiesMax {
		c.byText = map[string]*policy.Policy{}
	}
	c.byText[text] = p
	return p, nil
}
