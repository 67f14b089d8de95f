// Package kafka reads a topic of Apache Kafka, or of anything that speaks its protocol, as a batch.Source.
//
// Open takes a URL, kafka://host:port,host:port/topic. A shard of the source is a partition, named by its number; an offset is the
// number of the next record, as Kafka counts, so a partition that is missing has not begun. Plan asks the brokers where partitions
// end and reads nothing; how many records fit into a batch of so many bytes it knows from the batches before. Only committed
// records of transactions are read. What retention takes before it was read is an error, not a gap, and so
// is a topic that was made again under the same name: offsets have the topic's id, batch.Topic. Brokers before Kafka 2.8 have no ids; of theirs it is
// noticed as long as the new topic has fewer records than were read of the old one.
//
// Consumer groups are not used: where a pipeline stands is its own progress, which is what makes it exactly once.
package kafka

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Scheme is that of the URLs that Open takes.
const Scheme = "kafka"

// Environment variables with the name and password for SASL, where a URL has none.
const (
	UserEnv     = "KAFKA_USERNAME"
	PasswordEnv = "KAFKA_PASSWORD"
)

// Open returns a Source over the topic that a URL names:
//
//	kafka://[user[:password]@]host:port[,host:port…]/topic[?tls=true][&sasl=plain|scram-sha-256|scram-sha-512]
//
// It connects with the first call.
func Open(location string) (*Source, error) {
	u, err := parse(location)
	if err != nil {
		return nil, err
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(u.brokers...),
		kgo.ClientID("weir"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // by which Read sees that it has come to the end of what was planned
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxBytes(16 << 20),
		kgo.FetchMaxPartitionBytes(4 << 20),
		kgo.MaxConcurrentFetches(2),
	}
	if u.tls {
		opts = append(opts, kgo.DialTLSConfig(new(tls.Config)))
	}
	if u.sasl != nil {
		opts = append(opts, kgo.SASL(u.sasl))
	}
	return newSource(u.topic, opts...)
}

func newSource(topic string, opts ...kgo.Opt) (*Source, error) {
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("topic %s: %w", topic, err)
	}
	return &Source{client: client, admin: kadm.NewClient(client), topic: topic}, nil
}

// Close ends the connections.
func (s *Source) Close() error {
	s.client.Close()
	return nil
}

// place is what a URL says.
type place struct {
	brokers []string
	topic   string
	tls     bool
	sasl    sasl.Mechanism
}

var topicForm = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func parse(location string) (p place, err error) {
	// Several brokers are no URL to package url: they are taken out first.
	rest, ok := strings.CutPrefix(location, Scheme+"://")
	if !ok {
		return p, fmt.Errorf("%q does not begin with %s://", location, Scheme)
	}
	hosts, path, ok := strings.Cut(rest, "/")
	if !ok {
		return p, fmt.Errorf("%q has no topic: write kafka://host:port/topic", location)
	}
	login := ""
	if at := strings.LastIndexByte(hosts, '@'); at >= 0 {
		login, hosts = hosts[:at+1], hosts[at+1:]
	}
	for broker := range strings.SplitSeq(hosts, ",") {
		u, err := url.Parse("//" + login + broker)
		if err != nil || u.Hostname() == "" {
			return p, fmt.Errorf("%q is no broker: write kafka://host:port/topic", broker)
		}
		if u.Port() == "" {
			broker += ":9092"
		}
		p.brokers = append(p.brokers, broker)
	}
	u, err := url.Parse("//" + login + "host/" + path)
	if err != nil {
		return p, fmt.Errorf("%q is no URL", location)
	}
	if p.topic = strings.Trim(u.Path, "/"); !topicForm.MatchString(p.topic) {
		return p, fmt.Errorf("%q is no name of a topic", p.topic)
	}
	for key, values := range u.Query() {
		switch value := values[0]; {
		case key == "tls" && (value == "true" || value == "false"):
			p.tls = value == "true"
		case key == "sasl":
			if p.sasl, err = mechanism(value, u.User); err != nil {
				return p, err
			}
		default:
			return p, fmt.Errorf("%s=%s is not known: there are tls=true and sasl=plain, scram-sha-256, scram-sha-512", key, value)
		}
	}
	if login != "" && p.sasl == nil {
		return p, errors.New("a user without sasl: add ?sasl=plain, scram-sha-256 or scram-sha-512")
	}
	return p, nil
}

func mechanism(name string, user *url.Userinfo) (sasl.Mechanism, error) {
	login, password := os.Getenv(UserEnv), os.Getenv(PasswordEnv)
	if user != nil {
		login = user.Username()
		if p, ok := user.Password(); ok {
			password = p
		}
	}
	if login == "" || password == "" {
		return nil, fmt.Errorf("sasl=%s needs a user and a password: set %s and %s", name, UserEnv, PasswordEnv)
	}
	switch name {
	case "plain":
		return plain.Auth{User: login, Pass: password}.AsMechanism(), nil
	case "scram-sha-256":
		return scram.Auth{User: login, Pass: password}.AsSha256Mechanism(), nil
	case "scram-sha-512":
		return scram.Auth{User: login, Pass: password}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("sasl=%s is not known: there are plain, scram-sha-256, scram-sha-512", name)
}
