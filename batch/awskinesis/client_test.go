package awskinesis

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/weir-data/weir/batch"
)

// late is a client that looks at the body of a request after it gave the answer.
type late struct{ read chan error }

func (l late) Do(r *http.Request) (*http.Response, error) {
	go func() {
		<-l.read // until the caller has its answer
		body, err := io.ReadAll(r.Body)
		if err == nil && len(body) == 0 {
			err = io.ErrUnexpectedEOF
		}
		l.read <- err
	}()
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"Records":[]}`))}, nil
}

func TestBodyOutlivesTheAnswer(t *testing.T) {
	l := late{make(chan error)}
	client := kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://127.0.0.1:1"), HTTPClient: l,
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	})
	if _, err := client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("i")}, useOwnBody); err != nil {
		t.Fatal(err)
	}
	l.read <- nil
	if err := <-l.read; err != nil {
		t.Error(err)
	}
}

// refusing is a client that refuses so many reads before it gives one.
type refusing struct{ left, refused int }

func (r *refusing) Do(req *http.Request) (*http.Response, error) {
	target := req.Header.Get("X-Amz-Target")
	if strings.HasSuffix(target, ".GetRecords") && r.left > 0 {
		r.left, r.refused = r.left-1, r.refused+1
		return answer(400, `{"__type":"ProvisionedThroughputExceededException","message":"Rate exceeded"}`), nil
	}
	return answer(200, `{"ShardIterator":"i","NextShardIterator":"i","Records":[],"MillisBehindLatest":0}`), nil
}

func answer(status int, body string) *http.Response {
	header := http.Header{"Content-Type": {"application/x-amz-json-1.1"}}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}
}

// Each refusal is counted, and the pauses after them are the source's own and not the SDK's.
func TestRefusalsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		http := &refusing{left: 5}
		client := kinesis.New(kinesis.Options{
			Region: "us-east-1", BaseEndpoint: aws.String("http://127.0.0.1:1"), HTTPClient: http,
			Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		})
		source := New(client, "s", Options{})
		r, began := &reader{source: source, shard: "shardId-000000000000"}, time.Now()
		if err := r.fetch(t.Context(), batch.Limit{Records: 10, Bytes: 1000}); err != nil || !r.atTip {
			t.Fatalf("at its tip: %v, %v", r.atTip, err)
		}
		if got := source.Metrics()["throttledReads"]; got != "5" || http.refused != 5 {
			t.Errorf("%s throttled reads, %d were refused", got, http.refused)
		}
		if took, most := time.Since(began), 100*time.Millisecond*(1+2+4+8)+backoffMax; took > most {
			t.Errorf("took %v, more than %v", took, most)
		}
	})
}

// BenchmarkGetRecords is what the client takes for answers of 5,000 rides, without a service behind them.
func BenchmarkGetRecords(b *testing.B) {
	var body strings.Builder
	body.WriteString(`{"MillisBehindLatest":0,"NextShardIterator":"x","Records":[`)
	for i := range 5000 {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"ApproximateArrivalTimestamp":1.5E9,"Data":"%s","PartitionKey":"key","SequenceNumber":"%056d"}`, strings.Repeat("QUFB", 150), i)
	}
	body.WriteString("]}")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		io.WriteString(w, body.String())
	}))
	defer server.Close()
	client := kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		Retryer: aws.NopRetryer{},
	})
	records := 0
	for b.Loop() {
		out, err := client.GetRecords(b.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("x")}, useOwnBody)
		if err != nil {
			b.Fatal(err)
		}
		records += len(out.Records)
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}
