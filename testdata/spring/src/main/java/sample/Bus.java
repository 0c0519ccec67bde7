package sample;

import java.util.Collection;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.common.TopicPartition;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.listener.ConsumerAwareRebalanceListener;
import org.springframework.messaging.simp.SimpMessagingTemplate;
import org.springframework.stereotype.Component;

/** Carries messages between the nodes: each node reads all records of the topic, in a group of its own. */
@Component
class Bus {
	private static final String TOPIC = "stomp_send-message";
	private static final String USER_PREFIX = "/session";

	/** A record's value; principalName is null for a message to all. */
	record Envelope(String principalName, String destination, String messageJsonString) {}

	private final KafkaTemplate<String, Envelope> kafka;
	private final SimpMessagingTemplate messages;

	Bus(KafkaTemplate<String, Envelope> kafka, SimpMessagingTemplate messages) {
		this.kafka = kafka;
		this.messages = messages;
	}

	/** Returns when Kafka has the record, which has no key. */
	void publish(Envelope envelope) {
		kafka.send(TOPIC, envelope).join();
	}

	/** Hands a record to this node's own clients. */
	@KafkaListener(topics = TOPIC, groupId = "#{T(sample.Session).SERVER_UUID}")
	void deliver(Envelope envelope) {
		String destination = envelope.destination();
		if (envelope.principalName() == null) {
			messages.convertAndSend(destination, envelope.messageJsonString());
			return;
		}
		if (destination.startsWith(USER_PREFIX + "/")) {
			destination = destination.substring(USER_PREFIX.length());
		}
		messages.convertAndSendToUser(envelope.principalName(), destination, envelope.messageJsonString());
	}

	/** Tells when the node reads all records that are written from then on. */
	@Component
	static class Readiness implements ConsumerAwareRebalanceListener {
		private volatile boolean reads;

		@Override
		public void onPartitionsAssigned(Consumer<?, ?> consumer, Collection<TopicPartition> partitions) {
			partitions.forEach(consumer::position); // finds the ends now, not at the first poll
			reads = !partitions.isEmpty();
		}

		boolean reads() {
			return reads;
		}
	}
}
