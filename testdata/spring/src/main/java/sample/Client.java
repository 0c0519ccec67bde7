package sample;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.springframework.messaging.simp.stomp.StompCommand;
import org.springframework.messaging.simp.stomp.StompFrameHandler;
import org.springframework.messaging.simp.stomp.StompHeaders;
import org.springframework.messaging.simp.stomp.StompSession;
import org.springframework.messaging.simp.stomp.StompSessionHandlerAdapter;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;
import org.springframework.web.socket.WebSocketHttpHeaders;
import org.springframework.web.socket.client.standard.StandardWebSocketClient;
import org.springframework.web.socket.messaging.WebSocketStompClient;
import org.springframework.web.socket.sockjs.client.RestTemplateXhrTransport;
import org.springframework.web.socket.sockjs.client.SockJsClient;
import org.springframework.web.socket.sockjs.client.Transport;
import org.springframework.web.socket.sockjs.client.WebSocketTransport;

/**
 * Does what the sample page does, and asks for what is refused, with each transport of Spring's SockJS client. Its
 * argument is the address of the endpoint, such as http://127.0.0.1:13001/stomp. It prints a line for each transport,
 * and exits with 0 if all passed, else with 1.
 */
public final class Client {
	private static final String ERRORS = "/session/queue/request-error";
	private static final String ROOM = "/topic/test-channel";
	private static final String MEMBERS_ROOM = "/topic/members";
	private static final int NEED_LOGIN = 1;
	private static final long PATIENCE = 30; // in seconds

	public static void main(String[] args) {
		if (args.length == 0) {
			System.err.println("usage: Client http://HOST:PORT/stomp...");
			System.exit(2);
		}
		var timer = new ThreadPoolTaskScheduler(); // with it, the client has heart-beats
		timer.setDaemon(true);
		timer.initialize();
		var polling = new RestTemplateXhrTransport();
		polling.setXhrStreamingDisabled(true);
		boolean passed = true;
		for (String url : args) {
			passed &= passes("websocket", url, new WebSocketTransport(new StandardWebSocketClient()), timer)
					& passes("xhr-streaming", url, new RestTemplateXhrTransport(), timer)
					& passes("xhr-polling", url, polling, timer);
		}
		System.exit(passed ? 0 : 1);
	}

	private static boolean passes(String name, String url, Transport transport, ThreadPoolTaskScheduler timer) {
		var client = new WebSocketStompClient(new SockJsClient(List.of(transport)));
		client.setTaskScheduler(timer);
		try {
			System.out.println(url + " " + name + ": passed: " + run(client, url, "from " + name));
			return true;
		} catch (Exception e) {
			System.out.println(url + " " + name + ": FAILED: " + e);
			return false;
		}
	}

	/** Returns what it has seen. */
	private static String run(WebSocketStompClient client, String url, String text) throws Exception {
		var problems = new Problems();
		StompSession session = client.connectAsync(url, new WebSocketHttpHeaders(), token(new StompHeaders()), problems)
				.get(PATIENCE, TimeUnit.SECONDS);
		var errors = new Inbox();
		var room = new Inbox();
		session.subscribe(request(ERRORS, "SUBSCRIBE"), errors);
		session.subscribe(request(ROOM, "SUBSCRIBE"), room);
		session.send(request("/app" + ROOM, "SEND"), ("{\"chat\":\"" + text + "\"}").getBytes(StandardCharsets.UTF_8));
		String content = room.next().path("content").asText();
		check(content.contains(text), "the room's message has the content " + content);
		session.subscribe(request(MEMBERS_ROOM, "SUBSCRIBE members"), new Inbox());
		JsonNode refusal = errors.next();
		check(refusal.path("clientRequestCode").asText().equals("SUBSCRIBE members") && refusal.path("errorCode").asInt() == NEED_LOGIN,
				"the refusal is " + refusal);
		check(session.isConnected(), "the refusal has ended the session");
		if (problems.first != null) {
			throw problems.first;
		}
		session.disconnect(); // Spring's broker answers with an ERROR
		return content + " " + refusal;
	}

	private static StompHeaders token(StompHeaders headers) {
		headers.set("Authorization", "Bearer aa"); // which no server takes
		return headers;
	}

	private static StompHeaders request(String destination, String code) {
		var headers = token(new StompHeaders());
		headers.setDestination(destination);
		headers.set("client-request-code", code);
		return headers;
	}

	private static void check(boolean ok, String problem) {
		if (!ok) {
			throw new IllegalStateException(problem);
		}
	}

	/** What the client library complains of. */
	private static final class Problems extends StompSessionHandlerAdapter {
		private volatile Exception first;

		@Override
		public void handleFrame(StompHeaders headers, Object payload) {
			note(new IllegalStateException("ERROR " + headers));
		}

		@Override
		public void handleException(StompSession s, StompCommand command, StompHeaders headers, byte[] payload, Throwable e) {
			note(new IllegalStateException(command + " " + headers, e));
		}

		@Override
		public void handleTransportError(StompSession session, Throwable e) {
			note(new IllegalStateException("transport", e));
		}

		private synchronized void note(Exception e) {
			if (first == null) {
				first = e;
			}
		}
	}

	/** The messages of one subscription. */
	private static final class Inbox implements StompFrameHandler {
		private static final ObjectMapper JSON = new ObjectMapper();

		private final BlockingQueue<JsonNode> messages = new LinkedBlockingQueue<>();

		@Override
		public Type getPayloadType(StompHeaders headers) {
			return byte[].class;
		}

		@Override
		public void handleFrame(StompHeaders headers, Object payload) {
			try {
				messages.add(JSON.readTree((byte[]) payload));
			} catch (IOException e) {
				throw new UncheckedIOException(e);
			}
		}

		JsonNode next() throws InterruptedException {
			JsonNode message = messages.poll(PATIENCE, TimeUnit.SECONDS);
			check(message != null, "no message in " + PATIENCE + " s");
			return message;
		}
	}
}
