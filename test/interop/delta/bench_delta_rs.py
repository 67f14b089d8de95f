"""delta-rs's side of make delta-bench: does one operation on a table, as a whole process, and says how long it took."""

import json
import sys
import time


def main(op, folder, *args):
    from deltalake import DeltaTable, write_deltalake

    start = time.monotonic()
    if op == "open":
        t = DeltaTable(folder)
    elif op == "append":
        import pyarrow.parquet as pq
        file = pq.ParquetFile(args[0])
        import pyarrow as pa
        reader = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(65536))
        write_deltalake(folder, reader, mode="append", partition_by=["year", "month", "day", "hour"])
        t = None
    elif op == "checkpoint":
        t = DeltaTable(folder)
        t.create_checkpoint()
    elif op == "optimize":
        t = DeltaTable(folder)
        t.optimize.compact(target_size=128 << 20)
    seconds = time.monotonic() - start
    t = t or DeltaTable(folder)
    files = t.get_add_actions().num_rows if op in ("append", "optimize") else None
    print(json.dumps({"seconds": seconds, "version": t.version(), "files": files}))


main(*sys.argv[1:])
