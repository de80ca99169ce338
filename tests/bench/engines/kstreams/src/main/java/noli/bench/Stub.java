package noli.bench;

import java.nio.ByteBuffer;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** The stub fold: state = count of the key's records + its last record; the state goes out. */
public final class Stub {

  /** get, put, forward: what every stateful step does, and nothing else. */
  static final class Fold implements Processor<byte[], byte[], byte[], byte[]> {
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> store;

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      this.context = context;
      this.store = context.getStateStore("state");
    }

    @Override
    public void process(Record<byte[], byte[]> in) {
      byte[] old = store.get(in.key());
      long count = old == null ? 1 : ByteBuffer.wrap(old).getLong() + 1;
      byte[] next =
          ByteBuffer.allocate(Long.BYTES + in.value().length).putLong(count).put(in.value()).array();
      store.put(in.key(), next);
      context.forward(in.withValue(next));
    }
  }

  /** Prints what the harness reads: {@code restored RECORDS SECONDS} for all stores together. */
  static final class Restores implements StateRestoreListener {
    private final AtomicLong records = new AtomicLong();
    private final AtomicLong open = new AtomicLong();
    private volatile long started;

    @Override
    public synchronized void onRestoreStart(TopicPartition p, String s, long from, long to) {
      if (open.getAndIncrement() == 0 && started == 0) {
        started = System.nanoTime();
      }
    }

    @Override
    public void onBatchRestored(TopicPartition p, String s, long end, long n) {
      records.addAndGet(n);
    }

    @Override
    public synchronized void onRestoreEnd(TopicPartition p, String s, long total) {
      if (open.decrementAndGet() == 0) {
        double seconds = (System.nanoTime() - started) / 1e9;
        System.out.printf(java.util.Locale.ROOT, "restored %d %.3f%n", records.get(), seconds);
        System.out.flush();
      }
    }
  }

  public static void main(String[] args) throws InterruptedException {
    Map<String, String> env = System.getenv();
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, env.get("BENCH_APP"));
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, env.get("BENCH_KAFKA"));
    properties.put(StreamsConfig.STATE_DIR_CONFIG, env.get("BENCH_DATA"));
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, env.get("BENCH_THREADS"));
    properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, env.get("BENCH_GUARANTEE"));
    properties.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
    properties.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
    properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");

    Topology topology = new Topology();
    topology.addSource("in", env.get("BENCH_INPUT"));
    topology.addProcessor("fold", Fold::new, "in");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(
            Stores.persistentKeyValueStore("state"), Serdes.ByteArray(), Serdes.ByteArray()),
        "fold");
    topology.addSink("out", env.get("BENCH_OUTPUT"), "fold");

    CountDownLatch ended = new CountDownLatch(1);
    KafkaStreams streams = new KafkaStreams(topology, properties);
    streams.setGlobalStateRestoreListener(new Restores());
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  streams.close();
                  ended.countDown();
                }));
    streams.start();
    ended.await();
  }

  private Stub() {}
}
