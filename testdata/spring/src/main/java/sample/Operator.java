package sample;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import org.springframework.http.HttpStatus;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.server.ResponseStatusException;

/** What the tests ask of a node over HTTP. */
@RestController
class Operator {
	private final Bus bus;
	private final Bus.Readiness readiness;
	private final SessionMap sessions;

	Operator(Bus bus, Bus.Readiness readiness, SessionMap sessions) {
		this.bus = bus;
		this.readiness = readiness;
		this.sessions = sessions;
	}

	@GetMapping("/ready")
	void ready() {
		if (!readiness.reads()) {
			throw new ResponseStatusException(HttpStatus.SERVICE_UNAVAILABLE);
		}
	}

	@GetMapping("/sessions")
	Map<String, JsonNode> sessions() throws JsonProcessingException {
		return sessions.all();
	}

	/** Writes a record as any service of the replaced system does. */
	@PostMapping("/messages")
	void publish(@RequestBody Bus.Envelope envelope) {
		bus.publish(envelope);
	}
}
