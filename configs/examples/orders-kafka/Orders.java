// An order service behind stompgw, over Kafka: java -cp 'kafka-clients.jar:slf4j-api.jar' Orders.java 127.0.0.1:9092
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.*;

class Orders {
    public static void main(String[] args) {
        Map<String, Object> from = Map.of("bootstrap.servers", args[0], "group.id", "orders", "auto.offset.reset", "earliest");
        Map<String, Object> to = Map.of("bootstrap.servers", args[0], "acks", "all");
        try (var orders = new KafkaConsumer<>(from, new StringDeserializer(), new StringDeserializer());
             var answers = new KafkaProducer<>(to, new StringSerializer(), new StringSerializer())) {
            orders.subscribe(List.of("orders-in"));
            while (true) {
                for (var order : orders.poll(Duration.ofSeconds(1))) {
                    answers.send(answerTo(order));
                }
                answers.flush(); // before the next poll says that these orders are done
            }
        }
    }

    /** The answer is for the session that has ordered: it subscribes to /session/queue/orders. */
    static ProducerRecord<String, String> answerTo(ConsumerRecord<String, String> order) {
        String principal = header(order, "stomp-principal");
        var answer = new ProducerRecord<>("stompgw", principal, "ordered by " + header(order, "stomp-member") + ": " + order.value());
        Map.of("destination", "/queue/orders", "principal", principal, "correlation-id", header(order, "correlation-id"))
            .forEach((name, value) -> answer.headers().add(name, value.getBytes(StandardCharsets.UTF_8)));
        return answer;
    }

    static String header(ConsumerRecord<String, String> order, String name) {
        return new String(order.headers().lastHeader(name).value(), StandardCharsets.UTF_8);
    }
}
