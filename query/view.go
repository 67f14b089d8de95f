package query

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/sql"
)

// A view is stored as Athena and Presto store it: the text "/* Presto View: <base64 of JSON> */".
const (
	viewHead = "/* Presto View: "
	viewTail = " */"
)

type prestoView struct {
	OriginalSQL string       `json:"originalSql"`
	Catalog     string       `json:"catalog"`
	Schema      string       `json:"schema"`
	Columns     []viewColumn `json:"columns"`
}

type viewColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

func encodeView(v prestoView) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings always encode
	}
	return viewHead + base64.StdEncoding.EncodeToString(raw) + viewTail
}

// viewText is the SQL of a view and the database that its names are in.
func viewText(t catalog.Table) (text, database string, err error) {
	body, ok := strings.CutPrefix(strings.TrimSpace(t.ViewOriginal), strings.TrimSpace(viewHead))
	if !ok {
		return t.ViewOriginal, t.Database, nil
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(strings.TrimSuffix(body, strings.TrimSpace(viewTail))))
	var v prestoView
	if err == nil {
		err = json.Unmarshal(raw, &v)
	}
	if err != nil {
		return "", "", &sql.Error{Code: "HIVE_INVALID_VIEW_DATA", Msg: fmt.Sprintf("view %s.%s: its definition cannot be read", t.Database, t.Name)}
	}
	if v.Schema == "" {
		v.Schema = t.Database
	}
	return v.OriginalSQL, v.Schema, nil
}

// viewQuery parses the SQL of a view; names in it without a database get the view's.
func viewQuery(t catalog.Table) (*sql.Query, error) {
	text, database, err := viewText(t)
	if err != nil {
		return nil, err
	}
	q, err := sql.ParseQuery(text)
	if err != nil {
		return nil, &sql.Error{Code: "INVALID_VIEW", Msg: fmt.Sprintf("Failed analyzing stored view '%s.%s.%s': %s", catalogName, t.Database, t.Name, err)}
	}
	sql.Qualify(q, database)
	return q, nil
}
