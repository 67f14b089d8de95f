package duckdb

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// valueError is what DuckDB says of a value that a statement cannot cast, divide by or compute with.
type valueError struct{ text string }

func (e *valueError) Error() string { return e.text }

// isValueError says whether a message of DuckDB is about a value.
func isValueError(message string) bool {
	return slices.ContainsFunc([]string{"Conversion Error: ", "Out of Range Error: ", "Invalid Input Error: "}, func(kind string) bool {
		return strings.HasPrefix(message, kind)
	})
}

// ofQuery says of an error about a value that the pipeline's query made it, and what to write.
func ofQuery(err error) error {
	var v *valueError
	if !errors.As(err, &v) {
		return err
	}
	return fmt.Errorf("the query fails for a value: %w; TRY_CAST(…), TRY(…) and x / nullif(y, 0) give null instead", err)
}
