package delivery

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/metrics"
	"github.com/weir-data/weir/objstore"
)

func toBucket(format Format) *Channel {
	return &Channel{Freshness: FreshnessDefault, Format: format, Bucket: "b"}
}

func (w *world) channel(c *Channel) Info {
	w.t.Helper()
	info, err := w.channels.Create(w.t.Context(), Info{Name: "c", Source: "in", Channel: c})
	if err != nil {
		w.t.Fatal(err)
	}
	return info
}

func TestChannelDelivers(t *testing.T) {
	bubble(t, func(w *world) {
		w.source.append("1", time.Now(), `"too old"`)
		time.Sleep(time.Second)
		info := w.channel(toBucket(FormatJSON))
		time.Sleep(59 * time.Second)
		w.source.append("1", time.Now(), `{"n": 1}`, `2`)
		time.Sleep(200 * time.Second)
		w.source.append("2", time.Now(), `[3]`)
		time.Sleep(99 * time.Second)
		if keys, _ := w.objects.all(); len(keys) != 0 {
			t.Fatalf("delivered early: %q", keys)
		}
		time.Sleep(2 * time.Second)
		key, data := w.only()
		want := fmt.Sprintf("b/kinesis-channel/c/%s/2000/01/01/00/c-%[1]s-2000-01-01-00-01-", info.ID)
		if string(data) != "{\"n\": 1}\n2\n[3]\n" || !strings.HasPrefix(key, want) || len(key) != len(want)+36 {
			t.Errorf("%s: %q", key, data)
		}
	})
}

func TestChannelFormats(t *testing.T) {
	records := []string{`{"a": 1}`, `{"a": `, "\xff", "", "text", `{"a": "` + "\xff" + `"}`, `1 2`}
	for format, want := range map[Format][2]string{
		FormatJSON:   {"{\"a\": 1}\n", `{"a": |` + "\xff" + `||text|{"a": "` + "\xff" + `"}|1 2`},
		FormatString: {"{\"a\": 1}\n{\"a\": \n\ntext\n1 2\n", "\xff|{\"a\": \"\xff\"}"},
		FormatBytes:  {"{\"a\": 1}{\"a\": \xfftext{\"a\": \"\xff\"}1 2", ""},
	} {
		bubble(t, func(w *world) {
			c := toBucket(format)
			c.DeadBucket, c.DeadPrefix = "dead", "letters"
			info := w.channel(c)
			w.source.append("1", time.Now(), records...)
			time.Sleep(301 * time.Second)
			var good string
			var bad []string
			_, objects := w.objects.all()
			for key, data := range objects {
				if strings.HasPrefix(key, "b/") {
					good += string(data)
					continue
				}
				if !strings.HasPrefix(key, "dead/letters/2000/01/01/00/c-") {
					t.Errorf("dead letters in %s", key)
				}
				for line := range strings.Lines(string(data)) {
					var r deadRecord
					if err := json.Unmarshal([]byte(line), &r); err != nil {
						t.Fatal(err)
					}
					if r.ChannelID != info.ID || r.ShardID != "1" || r.StreamName != "in" || r.ErrorMessage == "" || r.Arrival == 0 ||
						records[r.number()-1] != string(r.RawData) {
						t.Errorf("dead letter %+v", r)
					}
					bad = append(bad, string(r.RawData))
				}
			}
			if good != want[0] || strings.Join(bad, "|") != want[1] {
				t.Errorf("%s: %q, bad %q", format, good, bad)
			}
		})
	}
}

func (r deadRecord) number() (n int) {
	fmt.Sscan(r.SequenceNumber, &n)
	return n
}

func TestChannelOfBadRecordsOnly(t *testing.T) {
	bubble(t, func(w *world) {
		info := w.channel(toBucket(FormatJSON))
		w.source.append("1", time.Now(), "bad")
		time.Sleep(301 * time.Second)
		if key, _ := w.only(); !strings.HasPrefix(key, "b/kinesis-channel/errors/c/"+info.ID+"/2000/01/01/00/c-") {
			t.Errorf("dead letter in %s", key)
		}
	})
}

func TestChannelCompression(t *testing.T) {
	open := map[Compression]func(io.Reader) (io.Reader, error){
		Gzip: func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		Zstd: func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
	}
	for compression, open := range open {
		bubble(t, func(w *world) {
			c := toBucket(FormatString)
			c.Compression, c.StorageClass, c.Template = compression, "GLACIER_IR", "x=!{stream-name}/!{yy}!{extension}"
			w.channel(c)
			w.source.append("1", time.Now(), "one", "two")
			time.Sleep(301 * time.Second)
			key, data := w.only()
			r, err := open(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || string(got) != "one\ntwo\n" {
				t.Errorf("%q, %v", got, err)
			}
			if !strings.HasPrefix(key, "b/x=in/00-") || !strings.HasSuffix(key, packers[compression].extension) || w.objects.classes[key] != "GLACIER_IR" {
				t.Errorf("%s of class %s", key, w.objects.classes[key])
			}
		})
	}
}

// A backlog is cut into objects of bounded size.
func TestChannelSizeIsBounded(t *testing.T) {
	bubble(t, func(w *world) {
		w.channel(toBucket(FormatBytes))
		big := strings.Repeat("x", 9<<20)
		for range 20 {
			w.source.append("1", time.Now(), big)
		}
		synctest.Wait()
		if _, data := w.only(); len(data) < channelBytesMax || len(data) > channelBytesMax+len(big) {
			t.Errorf("an object of %d bytes", len(data))
		}
		time.Sleep(301 * time.Second)
		if keys, _ := w.objects.all(); len(keys) != 2 {
			t.Errorf("objects %q", keys)
		}
	})
}

func TestChannelChanges(t *testing.T) {
	bubble(t, func(w *world) {
		ctx := t.Context()
		info := w.channel(toBucket(FormatJSON))
		for kind, other := range map[error]Info{
			ErrExists:  {Name: "c", Source: "in", Channel: toBucket(FormatJSON)},
			ErrTaken:   {Name: "d", Source: "in", Channel: toBucket(FormatJSON)},
			ErrInvalid: {Name: "d", Source: "in", Channel: &Channel{Freshness: FreshnessMin, Format: FormatJSON, Bucket: "absent"}},
		} {
			if _, err := w.channels.Create(ctx, other); !errors.Is(err, kind) {
				t.Errorf("%v, want %v", err, kind)
			}
		}
		w.source.append("1", time.Now(), "1")
		time.Sleep(200 * time.Second)
		if _, err := w.channels.Update("c", 900*time.Second, json.RawMessage(`{"a":1}`)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.channels.Update("c", 901*time.Second, nil); !errors.Is(err, ErrInvalid) {
			t.Errorf("901 seconds: %v", err)
		}
		time.Sleep(600 * time.Second)
		if keys, _ := w.objects.all(); len(keys) != 0 {
			t.Fatalf("delivered by the old freshness: %q", keys)
		}
		w.reopen()
		got, failure, err := w.channels.ByID(info.ID)
		if err != nil || failure != nil || got.Channel.Freshness != 900*time.Second || string(got.Attributes) != `{"a":1}` {
			t.Fatalf("%+v, %v, %v", got, failure, err)
		}
		time.Sleep(101 * time.Second)
		w.only()
		if err := w.channels.Delete(ctx, "c"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.channels.ByID(info.ID); !errors.Is(err, ErrNotFound) || len(w.channels.List()) != 0 {
			t.Errorf("after its deletion: %v", err)
		}
		if err := w.channels.Delete(ctx, "c"); !errors.Is(err, ErrNotFound) {
			t.Errorf("deleted twice: %v", err)
		}
		if again := w.channel(toBucket(FormatJSON)); again.ID == info.ID {
			t.Error("a new channel has the id of the old one")
		}
	})
}

func TestChannelFailureIsToldAndRetried(t *testing.T) {
	bubble(t, func(w *world) {
		w.channel(toBucket(FormatJSON))
		w.objects.mu.Lock()
		w.objects.fail = objstore.ErrNoSuchBucket
		w.objects.mu.Unlock()
		w.source.append("1", time.Now(), "1")
		time.Sleep(302 * time.Second)
		if failure, err := w.channels.Failure("c"); err != nil || !errors.Is(failure, objstore.ErrNoSuchBucket) {
			t.Errorf("failure %v, %v", failure, err)
		}
		w.objects.mu.Lock()
		w.objects.fail = nil
		w.objects.mu.Unlock()
		time.Sleep(2 * time.Minute)
		if failure, err := w.channels.Failure("c"); err != nil || failure != nil {
			t.Errorf("failure %v, %v", failure, err)
		}
		w.only()
	})
}

// TestChannelCrash stops the world before and after every put, loses what was not synced, and goes on.
func TestChannelCrash(t *testing.T) {
	var want []string
	for step := range 2*6 + 1 { // 6 puts of a run without crashes
		var got []string
		bubble(t, func(w *world) {
			w.channel(toBucket(FormatJSON))
			reached := w.objects.dieAt(step)
			for i := range 3 {
				w.source.append("1", time.Now(), fmt.Sprintf(`{"id":%d}`, i), fmt.Sprintf(`{"id":%d`, i))
				select {
				case <-reached:
					w.reopen()
				case <-time.After(10 * time.Minute):
				}
			}
			time.Sleep(10 * time.Minute)
			_, objects := w.objects.all()
			for _, data := range objects {
				for line := range strings.Lines(string(data)) {
					var r deadRecord
					if json.Unmarshal([]byte(line), &r); r.RawData != nil {
						line = "bad " + string(r.RawData)
					}
					got = append(got, strings.TrimSpace(line))
				}
			}
		})
		if slices.Sort(got); want == nil {
			want = got
		}
		if !slices.Equal(got, want) || len(want) != 6 {
			t.Fatalf("crash at step %d: %q, want %q", step, got, want)
		}
	}
}

func TestChannelMetrics(t *testing.T) {
	bubble(t, func(w *world) {
		m := meta.NewMem()
		defer m.Close()
		var err error
		if w.metrics, err = metrics.Open(metrics.Options{Meta: m}); err != nil {
			t.Fatal(err)
		}
		defer w.metrics.Close()
		w.reopen()
		info := w.channel(toBucket(FormatJSON))
		w.source.append("1", time.Now(), "1", "22", "bad")
		time.Sleep(400 * time.Second)
		sums := map[string]float64{}
		for _, name := range []string{"RecordCount", "BytesIn", "BytesProcessed", "BytesOut", "SuccessfulRecordCount", "FailedRecordCount",
			"DeliverySuccess", "DLQDeliverySuccess", "DataFreshness"} {
			m := metrics.Metric{Namespace: "AWS/Kinesis", Name: "DeliveryToS3." + name, Dimensions: []metrics.Dimension{
				{Name: "ChannelId", Value: info.ID}, {Name: "ChannelName", Value: "c"}, {Name: "StreamName", Value: "in"}}}
			points, err := w.metrics.Read(m, "", time.Now().Add(-time.Hour), time.Now().Add(time.Hour), 2*time.Hour)
			if err != nil || len(points) != 1 {
				t.Fatalf("%s: %v, %v", name, points, err)
			}
			sums[name] = points[0].Stat.Sum
		}
		want := map[string]float64{"RecordCount": 3, "BytesIn": 6, "BytesProcessed": 6, "BytesOut": 5, "SuccessfulRecordCount": 2,
			"FailedRecordCount": 1, "DeliverySuccess": 1, "DLQDeliverySuccess": 1, "DataFreshness": 300}
		if !maps.Equal(sums, want) {
			t.Errorf("sums %v, want %v", sums, want)
		}
	})
}

func TestChannelTemplates(t *testing.T) {
	at := time.Date(2026, 7, 20, 14, 30, 59, 0, time.FixedZone("", 0))
	key := func(template, name string, compression Compression) (string, error) {
		i := Info{Name: name, ID: "1234", Source: "my-stream", Channel: &Channel{Template: template, Compression: compression}}
		n, err := i.channelKey(at)
		return n.with("ID"), err
	}
	for template, want := range map[string]string{
		"": "kinesis-channel/my-channel/1234/2026/07/20/14/my-channel-1234-2026-07-20-14-30-ID.gz",
		"!{channel-name}/!{yyyy}/!{MM}/!{dd}/!{HH}/records!{extension}":               "my-channel/2026/07/20/14/records-ID.gz",
		"data/stream=!{stream-name}/!{yyyy}-!{MM}-!{dd}/!{HH}!{mm}!{extension:.json}": "data/stream=my-stream/2026-07-20/1430-ID.json",
		"a!b_.*'()/year=!{yy}!{extension:.json.gz}":                                   "a!b_.*'()/year=26-ID.json.gz",
		strings.Repeat("x", 979) + "!{channel-id}!{extension}":                        strings.Repeat("x", 979) + "1234-ID.gz",
	} {
		if got, err := key(template, "my-channel", Gzip); err != nil || got != want {
			t.Errorf("%q gives %q, %v, want %q", template, got, err, want)
		}
	}
	if got, err := key("!{channel-name}/!{channel-id}", "my-channel", Uncompressed); err != nil || got != "my-channel/1234-ID" {
		t.Errorf("the minimal template gives %q, %v", got, err)
	}
	for template, reason := range map[string]string{
		"/data/!{channel-name}!{extension}":                    "forward slash",
		"data/../!{channel-name}!{extension}":                  "traversal",
		"./!{channel-name}!{extension}":                        "traversal",
		"a/./!{channel-name}!{extension}":                      "traversal",
		"data//!{channel-name}!{extension}":                    "consecutive slashes",
		"!{channel-name}!{extension}/!{yyyy}":                  "end of the template",
		"!{yyyy}!{extension}!{extension}":                      "end of the template",
		"data/!{partition-id}!{extension}":                     "not a supported variable",
		"data/!{channel-name}":                                 "must end in an extension",
		"data/!{channel-name}/!{yyyy":                          "closing brace",
		"data/!{yyyy}/!{extension}":                            "forward slash",
		"static":                                               "at least one variable",
		"a b!{yyyy}!{extension}":                               "character ' '",
		"a{b!{yyyy}!{extension}":                               "character '{'",
		"a:b!{yyyy}!{extension}":                               "character ':'",
		"!{yyyy}!{extension:json}":                             "extension 'json'",
		"!{yyyy}!{extension:.JSON}":                            "extension '.JSON'",
		"!{yyyy}!{extension:.}":                                "extension '.'",
		"!{yyyy}!{extension:..a}":                              "traversal",
		"!{}!{extension}":                                      "not a supported variable",
		strings.Repeat("x", 980) + "!{channel-id}!{extension}": "987 characters",
	} {
		if got, err := key(template, "my-channel", Gzip); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q gives %q, %v, want an error about %s", template, got, err, reason)
		}
	}
	if got, err := key("a/!{channel-name}/b!{extension}", "..", Gzip); !errors.Is(err, ErrInvalid) {
		t.Errorf("a channel named .. gives %q, %v", got, err)
	}
}

func FuzzChannelTemplate(f *testing.F) {
	f.Add(DefaultTemplate, "c", true)
	f.Add("a/!{channel-name}!{extension:.json}", "..", false)
	f.Fuzz(func(t *testing.T, template, name string, compressed bool) {
		if template == "" || strings.ContainsAny(name, "/\x00") {
			return // the default, and no names
		}
		i := Info{Name: name, ID: uuid.Nil.String(), Source: "s", Channel: &Channel{Template: template}}
		if compressed {
			i.Channel.Compression = Zstd
		}
		n, err := i.channelKey(time.Unix(0, 0))
		if err != nil {
			return
		}
		key := n.with(objectID(i.ID, 1, roleData))
		if err := objstore.CheckKey(key); err != nil && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz.") == "" || len(key) > 1024 {
			t.Fatalf("%q gives the key %q: %v", template, key, err)
		}
		for part := range strings.SplitSeq(key, "/") {
			if part == "" || part == "." || part == ".." {
				t.Fatalf("%q gives the key %q", template, key)
			}
		}
	})
}
