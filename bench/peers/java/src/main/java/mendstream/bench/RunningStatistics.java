package mendstream.bench;

import java.io.File;
import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The least that does the job of the bench in Kafka Streams: count, mean and sum of squared deviations of each
 * (experiment, variant, metric), exactly once, in a store with a changelog, and each changed row put out every 100 ms.
 *
 * <p>Chosen in its favour: no repartition, for each experiment lives on one partition; a cached store, so that the
 * changelog takes a row once a commit; a hand-written value of 24 bytes; Avro's decoder and record used again.
 *
 * <p>Arguments: bootstrap, application id, memory or rocksdb, input, output, state directory, schema file, threads.
 */
public final class RunningStatistics {
    private static final String STORE = "statistics";

    public static void main(String[] args) throws IOException {
        Schema schema = new Schema.Parser().parse(new File(args[6]));
        Properties config = new Properties();
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
        config.put(StreamsConfig.STATE_DIR_CONFIG, args[5]);
        config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Integer.parseInt(args[7]));
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64L << 20);
        config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        config.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        config.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
        config.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 100);
        KafkaStreams streams = new KafkaStreams(topology(schema, args[2], args[3], args[4]), config);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
        streams.start();
    }

    private static Topology topology(Schema schema, String kind, String input, String output) {
        KeyValueBytesStoreSupplier supplier =
                kind.equals("memory") ? Stores.inMemoryKeyValueStore(STORE) : Stores.persistentKeyValueStore(STORE);
        Topology topology = new Topology();
        topology.addSource("source", Serdes.ByteArray().deserializer(), Serdes.ByteArray().deserializer(), input);
        topology.addProcessor("fold", () -> new Fold(schema), "source");
        topology.addStateStore(
                Stores.keyValueStoreBuilder(supplier, Serdes.String(), new Statistics.Form()).withCachingEnabled(), "fold");
        topology.addSink("sink", output, Serdes.String().serializer(), new Statistics.Form(), "fold");
        return topology;
    }

    /** Folds one partition. A record of an experiment that is a probe is put out at once: it is waited for. */
    private static final class Fold implements Processor<byte[], byte[], String, Statistics> {
        private static final int FRAME = 5; // the magic byte and the schema's id
        private final GenericDatumReader<GenericRecord> reader;
        private final Map<String, Statistics> changed = new HashMap<>();
        private ProcessorContext<String, Statistics> context;
        private KeyValueStore<String, Statistics> store;
        private BinaryDecoder decoder;
        private GenericRecord reused;

        Fold(Schema schema) {
            reader = new GenericDatumReader<>(schema);
        }

        @Override
        public void init(ProcessorContext<String, Statistics> given) {
            context = given;
            store = given.getStateStore(STORE);
            given.schedule(Duration.ofMillis(100), PunctuationType.WALL_CLOCK_TIME, this::putOut);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            byte[] value = record.value();
            decoder = DecoderFactory.get().binaryDecoder(value, FRAME, value.length - FRAME, decoder);
            try {
                reused = reader.read(reused, decoder);
            } catch (IOException error) {
                throw new IllegalArgumentException("a record that is no ExperimentResult", error);
            }
            String experiment = reused.get("experiment_id").toString();
            String key = experiment + '|' + reused.get("variant") + '|' + reused.get("metric");
            Statistics before = store.get(key);
            Statistics after = (before == null ? Statistics.NONE : before).with((Double) reused.get("sum"));
            store.put(key, after);
            if (experiment.startsWith("probe")) {
                context.forward(new Record<>(key, after, record.timestamp()));
            } else {
                changed.put(key, after);
            }
        }

        private void putOut(long now) {
            changed.forEach((key, statistics) -> context.forward(new Record<>(key, statistics, now)));
            changed.clear();
        }
    }
}
