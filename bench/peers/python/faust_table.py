"""The job of the bench in Faust with a table in memory; runs in the peers' own environment, without
Mendstream.

Faust has no exactly-once that holds, so this is at-least-once. A row is put out only at each
hundredth record of its key.

usage: faust_table.py BOOTSTRAP GROUP INPUT OUTPUT STATE-DIRECTORY SCHEMA-FILE
"""

import json
import struct
import sys
from io import BytesIO

import faust
from fastavro import parse_schema, schemaless_reader

FRAME = 5  # the magic byte and the schema's id
EVERY = 100  # records of a key between two that are put out
ROW = struct.Struct(">qdd")


def main(
    bootstrap: str, group: str, source: str, target: str, directory: str, schema_file: str
) -> None:
    with open(schema_file) as file:
        schema = parse_schema(json.load(file))
    app = faust.App(
        group,
        broker=f"kafka://{bootstrap}",
        store="memory://",
        datadir=directory,
        topic_partitions=4,
        topic_replication_factor=1,
        web_enabled=False,
    )
    records = app.topic(
        source, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )
    rows = app.topic(
        target, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )
    table = app.Table("statistics", key_type=bytes, value_type=bytes)

    @app.agent(records)
    async def fold(stream: faust.Stream) -> None:
        async for value in stream:
            record = schemaless_reader(BytesIO(value[FRAME:]), schema)
            experiment = record["experiment_id"]
            key = f"{experiment}|{record['variant']}|{record['metric']}".encode()
            before = table.get(key)
            count, mean, squares = ROW.unpack(before) if before else (0, 0.0, 0.0)
            count += 1
            deviation = record["sum"] - mean
            mean += deviation / count
            squares += deviation * (record["sum"] - mean)
            table[key] = row = ROW.pack(count, mean, squares)
            if count % EVERY == 0 or experiment.startswith("probe"):
                await rows.send(key=key, value=row)

    app.finalize()
    faust.Worker(app, loglevel="WARNING").execute_from_commandline()


if __name__ == "__main__":
    main(*sys.argv[1:])
