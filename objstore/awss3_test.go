package objstore_test

import (
	"testing"

	"github.com/weir-data/weir/objstore"
)

func openS3(t *testing.T) objstore.Store {
	t.Skip("not yet")
	return nil
}
