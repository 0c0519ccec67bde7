package sample;

import org.springframework.context.annotation.Configuration;
import org.springframework.messaging.simp.config.ChannelRegistration;
import org.springframework.messaging.simp.config.MessageBrokerRegistry;
import org.springframework.web.socket.config.annotation.EnableWebSocketMessageBroker;
import org.springframework.web.socket.config.annotation.StompEndpointRegistry;
import org.springframework.web.socket.config.annotation.WebSocketMessageBrokerConfigurer;
import org.springframework.web.socket.config.annotation.WebSocketTransportRegistration;

/** STOMP over SockJS at /stomp, on Spring's simple broker. */
@Configuration
@EnableWebSocketMessageBroker
class WebSocketConfig implements WebSocketMessageBrokerConfigurer {
	private final Gate gate;

	WebSocketConfig(Gate gate) {
		this.gate = gate;
	}

	@Override
	public void registerStompEndpoints(StompEndpointRegistry registry) {
		// In order, so that who is refused something hears of it on the error channel it has subscribed to before.
		registry.setPreserveReceiveOrder(true);
		registry.addEndpoint("/stomp").setAllowedOriginPatterns("*").withSockJS();
	}

	@Override
	public void configureMessageBroker(MessageBrokerRegistry registry) {
		registry.setPreservePublishOrder(true);
		registry.setApplicationDestinationPrefixes("/app");
		registry.setUserDestinationPrefix("/session");
		registry.enableSimpleBroker("/topic", "/queue");
	}

	@Override
	public void configureWebSocketTransport(WebSocketTransportRegistration transport) {
		transport.setMessageSizeLimit(160 * 64 * 1024).setSendBufferSizeLimit(3 * 512 * 1024);
	}

	@Override
	public void configureClientInboundChannel(ChannelRegistration inbound) {
		inbound.interceptors(gate);
	}
}
