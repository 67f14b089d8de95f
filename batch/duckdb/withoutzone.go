package duckdb

/*
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// Of DuckDB's C API, which the Go bindings leave out.
typedef void *weir_ref;
extern weir_ref duckdb_create_cast_function(void);
extern void duckdb_cast_function_set_source_type(weir_ref, weir_ref);
extern void duckdb_cast_function_set_target_type(weir_ref, weir_ref);
extern void duckdb_cast_function_set_implicit_cast_cost(weir_ref, int64_t);
extern void duckdb_cast_function_set_function(weir_ref, void *);
extern int duckdb_register_cast_function(weir_ref, weir_ref);
extern void duckdb_destroy_cast_function(weir_ref *);
extern void *duckdb_vector_get_data(weir_ref);
extern uint64_t *duckdb_vector_get_validity(weir_ref);
extern void duckdb_vector_ensure_validity_writable(weir_ref);

// weir_cast_same copies 64-bit values. The input is flat.
static bool weir_cast_same(weir_ref info, uint64_t count, weir_ref input, weir_ref output) {
	memcpy(duckdb_vector_get_data(output), duckdb_vector_get_data(input), count * 8);
	uint64_t *valid = duckdb_vector_get_validity(input);
	if (valid) {
		duckdb_vector_ensure_validity_writable(output);
		memcpy(duckdb_vector_get_validity(output), valid, (count + 63) / 64 * 8);
	}
	return true;
}

static int weir_register_cast_same(weir_ref connection, weir_ref from, weir_ref to, int64_t cost) {
	weir_ref f = duckdb_create_cast_function();
	duckdb_cast_function_set_source_type(f, from);
	duckdb_cast_function_set_target_type(f, to);
	duckdb_cast_function_set_implicit_cast_cost(f, cost);
	duckdb_cast_function_set_function(f, (void *)weir_cast_same);
	int state = duckdb_register_cast_function(connection, f);
	duckdb_destroy_cast_function(&f);
	return state;
}
*/
import "C"

import (
	"errors"

	"github.com/duckdb/duckdb-go/mapping"

	"github.com/weir-data/weir/columnar"
)

// aliasNTZ is the type of columns without zone in a query. It is TIMESTAMP by another name, by which such a column is told from an
// instant as long as the query passes it on; what is computed of it is TIMESTAMP, an instant.
const aliasNTZ = "TIMESTAMP_NTZ"

// registerWithoutZone lets TIMESTAMP_NTZ stand where TIMESTAMP is wanted, and be cast from it.
func registerWithoutZone(c mapping.Connection) error {
	ntz := logicalType(columnar.Type{Kind: columnar.TimestampNTZ})
	defer mapping.DestroyLogicalType(&ntz)
	plain := logicalType(columnar.Type{Kind: columnar.Timestamp})
	defer mapping.DestroyLogicalType(&plain)
	for _, cast := range []struct {
		from, to mapping.LogicalType
		cost     C.int64_t // -1: never by itself
	}{{ntz, plain, 1}, {plain, ntz, -1}} {
		if C.weir_register_cast_same(C.weir_ref(c.Ptr), C.weir_ref(cast.from.Ptr), C.weir_ref(cast.to.Ptr), cast.cost) != 0 {
			return errors.New("cannot register the cast of " + aliasNTZ)
		}
	}
	return nil
}
