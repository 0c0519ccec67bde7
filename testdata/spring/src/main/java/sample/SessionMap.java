package sample;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Map;
import java.util.TreeMap;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.event.EventListener;
import org.springframework.messaging.simp.user.SimpUser;
import org.springframework.messaging.simp.user.SimpUserRegistry;
import org.springframework.scheduling.annotation.Scheduled;
import org.springframework.stereotype.Component;
import org.springframework.web.socket.messaging.SessionConnectedEvent;
import org.springframework.web.socket.messaging.SessionDisconnectEvent;
import redis.clients.jedis.JedisPooled;
import redis.clients.jedis.params.ScanParams;
import redis.clients.jedis.params.SetParams;

/** The session map in Redis: one entry for each session, which expires unless its node writes it again. */
@Component
class SessionMap {
	private final JedisPooled redis;
	private final SimpUserRegistry users;
	private final ObjectMapper json;
	private final SetParams expiry;

	SessionMap(JedisPooled redis, SimpUserRegistry users, ObjectMapper json, @Value("${sample.expiry}") long expiry) {
		this.redis = redis;
		this.users = users;
		this.json = json;
		this.expiry = SetParams.setParams().px(expiry);
	}

	@EventListener
	void connected(SessionConnectedEvent event) throws JsonProcessingException {
		write((Session) event.getUser());
	}

	@EventListener
	void ended(SessionDisconnectEvent event) {
		if (event.getUser() instanceof Session session) { // or it has never connected
			redis.del(session.key());
		}
	}

	@Scheduled(fixedRateString = "${sample.heartbeat}")
	void heartbeat() throws JsonProcessingException {
		for (SimpUser user : users.getUsers()) {
			write((Session) user.getPrincipal());
		}
	}

	private void write(Session session) throws JsonProcessingException {
		redis.set(session.key(), json.writeValueAsString(session), expiry);
	}

	/** All sessions of all nodes, by their keys. It fails where such a key holds anything else. */
	Map<String, JsonNode> all() throws JsonProcessingException {
		Map<String, JsonNode> all = new TreeMap<>();
		var sessions = new ScanParams().match("*_*").count(1000);
		var cursor = ScanParams.SCAN_POINTER_START;
		do {
			var page = redis.scan(cursor, sessions);
			for (String key : page.getResult()) {
				String value = redis.get(key);
				if (value != null) { // it has not expired meanwhile
					all.put(key, json.readTree(value));
				}
			}
			cursor = page.getCursor();
		} while (!cursor.equals(ScanParams.SCAN_POINTER_START));
		return all;
	}
}
