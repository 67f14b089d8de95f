package delta

import (
	"errors"
	"testing"
)

// TestCanonicalJSON holds the sample of the protocol.
func TestCanonicalJSON(t *testing.T) {
	const sample = `{"k0":"'v 0'", "checksum": "adsaskfljadfkjadfkj", "k1":{"k2": 2, "k3": ["v3", [1, 2], {"k4": "v4", "k5": ["v5", "v6", "v7"]}]}}`
	const want = `"k0"="%27v%200%27","k1"+"k2"=2,"k1"+"k3"+0="v3","k1"+"k3"+1+0=1,"k1"+"k3"+1+1=2,"k1"+"k3"+2+"k4"="v4",` +
		`"k1"+"k3"+2+"k5"+0="v5","k1"+"k3"+2+"k5"+1="v6","k1"+"k3"+2+"k5"+2="v7"`
	if got, err := canonicalJSON([]byte(sample)); got != want || err != nil {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	if sum, err := jsonChecksum([]byte(sample)); sum != "6a92d155a59bf2eecbd4b4ec7fd1f875" || err != nil {
		t.Errorf("checksum %s, %v", sum, err)
	}
	for _, bad := range []string{`{"a":1,"a":2}`, `{"a":`, `{} x`, ``} {
		if got, err := canonicalJSON([]byte(bad)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %s, %v", bad, got, err)
		}
	}
}

func TestHint(t *testing.T) {
	body, err := lastCheckpoint{Version: 7, Size: 3, SizeInBytes: 100}.encode()
	if err != nil {
		t.Fatal(err)
	}
	if hint, err := decodeHint(body); err != nil || hint.Version != 7 || hint.Checksum == "" {
		t.Errorf("%s: %+v, %v", body, hint, err)
	}
	body[11]++ // the version
	if hint, err := decodeHint(body); !errors.Is(err, ErrCorrupt) {
		t.Errorf("%s: %+v, %v", body, hint, err)
	}
}

func FuzzHint(f *testing.F) {
	f.Add([]byte(`{"version":7,"size":3,"checksum":"x","tags":{"a":[1,null,true,{"b":"c"}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = decodeHint(body)
	})
}

// TestForeignChecksum: what Spark keeps of a hint goes when the hint is replaced.
func TestForeignChecksum(t *testing.T) {
	objects := newMemory()
	table := createRides(t, objects, nil)
	objects.set("_delta_log/._last_checkpoint.crc", "crc")
	if _, err := table.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := objects.objects["_delta_log/._last_checkpoint.crc"]; ok {
		t.Error("the checksum of the hint before is still there")
	}
	if _, ok := objects.objects[lastCheckpointKey]; !ok {
		t.Error("no hint")
	}
}
