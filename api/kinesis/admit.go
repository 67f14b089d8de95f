package kinesis

// Every request is admitted before its operation runs: by who sent it (authorize.go), then by how many came (limits.go).

import (
	"context"
	"reflect"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/weir-data/weir/wire"
)

// askThemselves are the operations that call admitCall or admitTo where they know which stream they are about: they decode
// by hand, or have only an iterator.
var askThemselves = map[string]bool{"PutRecord": true, "PutRecords": true, "GetRecords": true}

// admit lets a request in or refuses it; wire asks it with every decoded input.
func (s *service) admit(ctx context.Context, operation string, in any) error {
	if askThemselves[operation] {
		return nil
	}
	a := addressOf(in)
	switch in := in.(type) {
	case *kinesis.ListShardsInput:
		if a == (address{}) && in.NextToken != nil {
			a.arn = s.listedARN(*in.NextToken)
		}
	case *kinesis.CreateChannelInput:
		if len(in.StreamConfigurationList) > 0 {
			a.arn = in.StreamConfigurationList[0].StreamARN
		}
	case *kinesis.RegisterStreamConsumerInput:
		a.consumerName = nil // nobody yet: it is about the stream
	}
	return s.admitCall(ctx, operation, a)
}

// admitCall is admit for an operation that has decoded its input.
func (s *service) admitCall(ctx context.Context, operation string, a address) error {
	to, ours := s.resolve(a)
	if who := wire.Caller(ctx); who.Account != s.streams.Account() {
		if err := admitForeign(who, operation, a, ours); err != nil {
			return err
		}
	}
	return s.admitTo(ctx, operation, to)
}

// admitTo is admit for an operation that knows what it is about.
func (s *service) admitTo(ctx context.Context, operation string, to resource) error {
	if err := s.authorize(ctx, operation, to); err != nil {
		return err
	}
	return s.admitRate(ctx, operation, to.stream)
}

// address is how a request names what it is about.
type address struct {
	name, arn                 *string // of a stream
	consumerName, consumerARN *string
	resourceARN               *string // of either
}

// anyARN is the ARN that counts.
func (a *address) anyARN() *string {
	switch {
	case a.consumerARN != nil:
		return a.consumerARN
	case a.resourceARN != nil:
		return a.resourceARN
	}
	return a.arn
}

// resolve finds out what an address means, which need not exist. It is not ours if the address names nothing, or by an ARN
// of another account or region, or by something that is none.
func (s *service) resolve(a address) (to resource, ours bool) {
	arn := a.anyARN()
	if arn == nil {
		return resource{stream: value(a.name)}, a.name != nil
	}
	path, ours := strings.CutPrefix(*arn, s.arnPrefix)
	if !ours {
		return resource{}, false
	}
	to.stream, path, _ = strings.Cut(path, "/consumer/")
	if to.consumer, _, _ = strings.Cut(path, ":"); to.consumer == "" {
		to.consumer = value(a.consumerName)
	}
	return to, true
}

// addressNames are the members of inputs that an address is made of.
var addressNames = [...]string{"StreamName", "StreamARN", "ConsumerName", "ConsumerARN", "ResourceARN"}

// addressMembers are their places in one type of input; -1: it has no such member.
type addressMembers [len(addressNames)]int

var knownMembers sync.Map // reflect.Type -> addressMembers

// addressOf reads the address in a pointer to an input struct of the SDK.
func addressOf(in any) address {
	v := reflect.ValueOf(in).Elem()
	known, ok := knownMembers.Load(v.Type())
	if !ok {
		known, _ = knownMembers.LoadOrStore(v.Type(), membersOf(v.Type()))
	}
	var parts [len(addressNames)]*string
	for i, at := range known.(addressMembers) {
		if at >= 0 {
			parts[i] = *v.Field(at).Addr().Interface().(**string)
		}
	}
	return address{parts[0], parts[1], parts[2], parts[3], parts[4]}
}

func membersOf(t reflect.Type) (at addressMembers) {
	for i, name := range addressNames {
		at[i] = -1
		if f, ok := t.FieldByName(name); ok && f.Type == reflect.TypeFor[*string]() {
			at[i] = f.Index[0]
		}
	}
	return at
}

// listedARN is the ARN of the stream that a token of ListShards was made for; nil if it is no such token.
func (s *service) listedARN(token string) *string {
	q, err := s.openQuery(token)
	if err != nil {
		return nil
	}
	arn := s.arnPrefix + q.Stream
	return &arn
}
