package handover

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
)

// Handler serves a store to processes that may read and write its files.
func Handler(store Objects) http.Handler {
	mux := http.NewServeMux()
	for name, call := range map[string]func(context.Context, Objects, *request) (answer, error){"path": findPath, "import": importAll} {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
			var in request
			if err := json.NewDecoder(io.LimitReader(r.Body, requestMax)).Decode(&in); err != nil {
				http.Error(w, "read request: "+err.Error(), http.StatusBadRequest)
				return
			}
			out, err := call(r.Context(), store, &in)
			if err != nil {
				out = failed(err)
			}
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(out) // an error is the caller's who went
		})
	}
	return mux
}

func findPath(ctx context.Context, store Objects, in *request) (answer, error) {
	path, err := store.Path(ctx, in.Bucket, in.Key)
	return answer{Path: path}, err
}

// importAll takes files from below the store's folder for that, and from nowhere else.
func importAll(ctx context.Context, store Objects, in *request) (answer, error) {
	own := filepath.Clean(store.TempDir()) + string(filepath.Separator)
	for _, f := range in.Files {
		if filepath.Clean(f.Path) != f.Path || !strings.HasPrefix(f.Path, own) {
			return answer{}, fmt.Errorf("import %s: it does not lie in %s", f.Path, own)
		}
	}
	infos, err := store.ImportAll(ctx, in.Bucket, in.Files)
	return answer{Infos: infos}, err
}
