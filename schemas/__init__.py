"""Words: what may be said on a topic. Knows Avro and Arrow; knows no broker, table or agent."""
