package sample;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.scheduling.annotation.EnableScheduling;

/** One node of the replaced system: clients at /stomp, the other nodes over Kafka, its sessions in Redis. */
@SpringBootApplication
@EnableScheduling // for the heartbeat
public class Node {
	public static void main(String[] args) {
		SpringApplication.run(Node.class, args);
	}
}
