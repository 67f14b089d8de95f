package main

import (
	"strings"
	"testing"
)

// Closed by default: an address of the network needs keys or the word --insecure.
func TestListen(t *testing.T) {
	for _, c := range []struct {
		addr               string
		verified, insecure bool
		ok                 bool
	}{
		{"127.0.0.1:0", false, false, true},
		{"[::1]:0", false, false, true},
		{"localhost:0", false, false, true},
		{"0.0.0.0:0", false, false, false},
		{":0", false, false, false},
		{"0.0.0.0:0", true, false, true},
		{"0.0.0.0:0", false, true, true},
		{"nonsense", true, false, false},
	} {
		cfg := houseConfig{Listen: c.addr, Insecure: c.insecure}
		ln, err := cfg.listen(c.verified)
		if err == nil {
			ln.Close()
		} else if strings.Contains(err.Error(), "::1") {
			continue // no IPv6 here
		}
		if (err == nil) != c.ok {
			t.Errorf("listen on %s, verified %v, insecure %v: %v", c.addr, c.verified, c.insecure, err)
		}
	}
}
