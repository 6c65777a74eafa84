package mendstream.bench;

import java.nio.ByteBuffer;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serializer;

/** Count, mean and sum of squared deviations from the mean, by Welford's step. */
record Statistics(long count, double mean, double squares) {
    static final Statistics NONE = new Statistics(0, 0.0, 0.0);
    private static final int BYTES = 24;

    Statistics with(double value) {
        long n = count + 1;
        double deviation = value - mean;
        double moved = mean + deviation / n;
        return new Statistics(n, moved, squares + deviation * (value - moved));
    }

    /** As 24 bytes, big-endian. */
    static final class Form implements Serde<Statistics>, Serializer<Statistics>, Deserializer<Statistics> {
        @Override
        public byte[] serialize(String topic, Statistics statistics) {
            return statistics == null
                    ? null
                    : ByteBuffer.allocate(BYTES)
                            .putLong(statistics.count())
                            .putDouble(statistics.mean())
                            .putDouble(statistics.squares())
                            .array();
        }

        @Override
        public Statistics deserialize(String topic, byte[] bytes) {
            if (bytes == null) {
                return null;
            }
            ByteBuffer buffer = ByteBuffer.wrap(bytes);
            return new Statistics(buffer.getLong(), buffer.getDouble(), buffer.getDouble());
        }

        @Override
        public void configure(java.util.Map<String, ?> configs, boolean isKey) {}

        @Override
        public void close() {}

        @Override
        public Serializer<Statistics> serializer() {
            return this;
        }

        @Override
        public Deserializer<Statistics> deserializer() {
            return this;
        }
    }
}
