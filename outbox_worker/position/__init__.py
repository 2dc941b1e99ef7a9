"""Where a shard stands in the table, as a value: snapshot, position, floor, codec, validity."""
