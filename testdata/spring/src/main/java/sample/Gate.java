package sample;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.List;
import org.springframework.context.annotation.Lazy;
import org.springframework.messaging.Message;
import org.springframework.messaging.MessageChannel;
import org.springframework.messaging.simp.SimpMessagingTemplate;
import org.springframework.messaging.simp.stomp.StompHeaderAccessor;
import org.springframework.messaging.support.ChannelInterceptor;
import org.springframework.messaging.support.MessageHeaderAccessor;
import org.springframework.stereotype.Component;
import org.springframework.util.AntPathMatcher;
import org.springframework.util.PathMatcher;

/** Sees each frame of a client before it takes effect: says whose the session is, and refuses subscriptions. */
@Component
class Gate implements ChannelInterceptor {
	/** Anybody may subscribe to these, only members to others. */
	private static final List<String> OPEN = List.of("/topic/test-channel", "/topic/p/*", "/session/queue/*");

	private static final int NEED_LOGIN = 1;

	private static final PathMatcher MATCHER = new AntPathMatcher();

	private final Tokens tokens;
	private final ObjectMapper json;
	private final SimpMessagingTemplate messages;

	Gate(Tokens tokens, ObjectMapper json, @Lazy SimpMessagingTemplate messages) { // it needs the broker, which needs the gate
		this.tokens = tokens;
		this.json = json;
		this.messages = messages;
	}

	/** What a client learns on the error channel. */
	record Refusal(String clientRequestCode, int errorCode, String errorMessage) {}

	@Override
	public Message<?> preSend(Message<?> message, MessageChannel channel) {
		StompHeaderAccessor frame = MessageHeaderAccessor.getAccessor(message, StompHeaderAccessor.class);
		if (frame == null || frame.getCommand() == null) { // a heart-beat
			return message;
		}
		switch (frame.getCommand()) {
			case CONNECT, STOMP -> frame.setUser(Session.begin(frame.getSessionId(), member(frame)));
			case SUBSCRIBE -> {
				if (!open(frame.getDestination()) && member(frame) == null) {
					refuse(frame);
					return null; // it goes no further
				}
			}
			default -> {}
		}
		return message;
	}

	private static boolean open(String destination) {
		return destination != null && OPEN.stream().anyMatch(pattern -> MATCHER.match(pattern, destination));
	}

	/** The member by the token of this very frame, null without a good one. */
	private Long member(StompHeaderAccessor frame) {
		return tokens.member(frame.getFirstNativeHeader("Authorization"));
	}

	private void refuse(StompHeaderAccessor frame) {
		var refusal = new Refusal(frame.getFirstNativeHeader("client-request-code"), NEED_LOGIN, "Need Login");
		try {
			messages.convertAndSendToUser(frame.getUser().getName(), "/queue/request-error", json.writeValueAsString(refusal));
		} catch (JsonProcessingException e) {
			throw new IllegalStateException(e); // a record of texts and numbers can be written
		}
	}
}
