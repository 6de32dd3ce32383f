"""Prints what DuckDB reads from a Parquet file: one line with the columns, then one line a row."""
import json
import sys

import duckdb

path = sys.argv[1]
columns = [row[:2] for row in duckdb.execute("DESCRIBE SELECT * FROM read_parquet(?)", [path]).fetchall()]
print(json.dumps([f"{name} {kind}" for name, kind in columns]))
asked = duckdb.execute(
    "SELECT * REPLACE (epoch_us(event_at) AS event_at, epoch_us(recorded_at) AS recorded_at) FROM read_parquet(?)", [path]
)
while rows := asked.fetchmany(1000):
    for row in rows:
        print(json.dumps(dict(zip((name for name, _ in columns), row))))
