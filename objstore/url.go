package objstore

import (
	"fmt"
	"strings"
)

// ParseURL splits s3://bucket/key (s3a and s3n too) into bucket and key. The key may be empty and keeps a trailing slash.
func ParseURL(url string) (bucket, key string, err error) {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok || scheme != "s3" && scheme != "s3a" && scheme != "s3n" {
		return "", "", fmt.Errorf("location %q is not of the form s3://bucket/key", url)
	}
	bucket, key, _ = strings.Cut(rest, "/")
	if bucket == "" {
		return "", "", fmt.Errorf("location %q names no bucket", url)
	}
	return bucket, key, nil
}
