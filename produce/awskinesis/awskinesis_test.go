package awskinesis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/weir-data/weir/produce"
)

func client(t *testing.T, endpoint string, credentials aws.CredentialsProviderFunc) *Client {
	t.Helper()
	return New(aws.Config{Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: credentials})
}

func keys(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AK", SecretAccessKey: "SK"}, nil
}

func TestPut(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			StreamName, PartitionKey string
			Data                     []byte
			Records                  []struct {
				Data         []byte
				PartitionKey string
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.StreamName != "s" {
			t.Errorf("%+v, %v", in, err)
		}
		switch r.Header.Get("X-Amz-Target") {
		case "Kinesis_20131202.PutRecord":
			fmt.Fprintf(w, `{"ShardId":"shardId-000000000000","SequenceNumber":"%s%s"}`, in.PartitionKey, in.Data)
		case "Kinesis_20131202.PutRecords":
			fmt.Fprintf(w, `{"FailedRecordCount":1,"Records":[{"ShardId":"a","SequenceNumber":"%s"},
				{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"slow down"}]}`, in.Records[0].Data)
		}
	}))
	defer server.Close()
	c := client(t, server.URL, keys)
	one, err := c.PutRecord(t.Context(), "s", produce.Entry{Key: "1", Data: []byte("2")})
	if err != nil || one != (produce.Result{Shard: "shardId-000000000000", SeqNum: "12"}) {
		t.Errorf("%+v, %v", one, err)
	}
	many, err := c.PutRecords(t.Context(), "s", []produce.Entry{{Key: "1", Data: []byte("7")}, {Key: "2", Data: []byte("8")}})
	want := []produce.Result{{Shard: "a", SeqNum: "7"}, {ErrorCode: "ProvisionedThroughputExceededException", ErrorMessage: "slow down"}}
	if err != nil || fmt.Sprint(many) != fmt.Sprint(want) {
		t.Errorf("%+v, %v", many, err)
	}
}

// TestTemporary has a server that fails in every way that a producer meets.
func TestTemporary(t *testing.T) {
	fault := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"__type":%q,"message":"x"}`, code)
		}
	}
	hijack := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(conn, text)
			conn.Close()
		}
	}
	none := func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, errors.New("no credentials") }
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc // nil: nobody listens
		keys    aws.CredentialsProviderFunc
		want    bool
	}{
		{"nobody listens", nil, keys, true},
		{"closed without an answer", hijack(""), keys, true},
		{"half an answer", hijack("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), keys, true},
		{"throttled", fault(400, "ProvisionedThroughputExceededException"), keys, true},
		{"limit", fault(400, "LimitExceededException"), keys, true},
		{"server fault", fault(500, "InternalFailure"), keys, true},
		{"gateway", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "bad gateway", http.StatusBadGateway) }, keys, true},
		{"no stream", fault(400, "ResourceNotFoundException"), keys, false},
		{"not allowed", fault(400, "AccessDeniedException"), keys, false},
		{"too large", fault(400, "ValidationException"), keys, false},
		{"no credentials", fault(200, ""), none, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(c.handler)
			if c.handler == nil {
				server.Close()
			} else {
				defer server.Close()
			}
			kinesis := client(t, server.URL, c.keys)
			_, err := kinesis.PutRecords(t.Context(), "s", []produce.Entry{{Key: "k", Data: []byte("x")}})
			if err == nil || kinesis.Temporary(err) != c.want {
				t.Errorf("temporary is %v: %v", !c.want, err)
			}
		})
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	kinesis := client(t, "http://127.0.0.1:1", keys)
	if _, err := kinesis.PutRecord(stopped, "s", produce.Entry{Key: "k", Data: []byte("x")}); err == nil || kinesis.Temporary(err) || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("after the context's end: %v", err)
	}
}
