// node produce.mjs BOOTSTRAP TOPIC VISITS.csv SCHEMA-URL: file:///... or a registry's /subjects/TOPIC-value/versions/latest
import { readFile } from "node:fs/promises";
import avro from "avsc";
import { Kafka } from "kafkajs";

const [bootstrap, topic, visits, url] = process.argv.slice(2);
const told = url.startsWith("file:") ? JSON.parse(await readFile(new URL(url))) : await (await fetch(url)).json();
const schema = avro.Type.forSchema(told.schema ? JSON.parse(told.schema) : told);
const id = told.id ?? (0x40000000 | (schema.fingerprint("sha256").readUInt32BE(0) >>> 2)); // a registry's, or the local one
const frame = Buffer.alloc(5);
frame.writeUInt32BE(id, 1);

const messages = (await readFile(visits, "utf8")).trim().split("\n").slice(1).map((line) => {
  const [ts, arm, clicked] = line.split(",");
  const said = { event_id: ts + arm, subject: "shop", experiment_id: "checkout", variant: arm, metric: "conversion" };
  const value = schema.toBuffer(schema.clone({ ...said, sum: Number(clicked), occurred_at: Date.parse(ts) }, { wrapUnions: true }));
  return { key: "shop", value: Buffer.concat([frame, value]) };
});
const producer = new Kafka({ brokers: [bootstrap] }).producer({ idempotent: true });
await producer.connect();
await producer.send({ topic, messages, acks: -1 }); // rejects where Kafka does not take them
await producer.disconnect();
