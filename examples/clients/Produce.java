import com.fasterxml.jackson.databind.*;
import java.nio.file.*;
import org.apache.avro.*;
import org.apache.avro.generic.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.*;
/** java -cp JARS Produce.java BOOTSTRAP TOPIC VISITS.csv SCHEMA-URL: file:///... or a registry's /subjects/TOPIC-value/versions/latest */
class Produce {
  public static void main(String[] args) throws Exception {
    JsonNode told = new ObjectMapper().readTree(java.net.URI.create(args[3]).toURL());
    Schema schema = new Schema.Parser().parse(told.path("schema").asText(told.toString()));
    int print = java.nio.ByteBuffer.wrap(SchemaNormalization.parsingFingerprint("SHA-256", schema)).getInt();
    var producer = new KafkaProducer<>(java.util.Map.of("bootstrap.servers", args[0]), new StringSerializer(), new ByteArraySerializer());
    for (String[] visit : Files.lines(Path.of(args[2])).skip(1).map(line -> line.split(",")).toList()) {
      var said = new GenericRecordBuilder(schema).set("subject", "shop").set("experiment_id", "checkout")
          .set("variant", visit[1]).set("metric", "conversion").set("sum", Double.valueOf(visit[2]))
          .set("event_id", visit[0] + visit[1]).set("occurred_at", java.time.Instant.parse(visit[0]).toEpochMilli()).build();
      var value = new java.io.ByteArrayOutputStream();
      int id = told.path("id").asInt(0x40000000 | print >>> 2); // a registry's, or what follows from the schema
      value.write(java.nio.ByteBuffer.allocate(5).putInt(1, id).array());
      new GenericDatumWriter<>(schema).write(said, org.apache.avro.io.EncoderFactory.get().directBinaryEncoder(value, null));
      producer.send(new ProducerRecord<>(args[1], "shop", value.toByteArray())).get(); // of many, wait for all at once
    }
  }
}
