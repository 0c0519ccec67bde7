package sample;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.springframework.messaging.handler.annotation.MessageMapping;
import org.springframework.stereotype.Controller;

/** The application: what clients send to /app/topic/test-channel becomes a message to all. */
@Controller
class Chat {
	record Input(String chat) {}

	record Output(String content) {}

	private final Bus bus;
	private final ObjectMapper json;

	Chat(Bus bus, ObjectMapper json) {
		this.bus = bus;
		this.json = json;
	}

	@MessageMapping("/topic/test-channel")
	void send(Input input) throws JsonProcessingException {
		var output = new Output("Spring: {inputVo.chat : " + input.chat() + "}");
		bus.publish(new Bus.Envelope(null, "/topic/test-channel", json.writeValueAsString(output)));
	}
}
