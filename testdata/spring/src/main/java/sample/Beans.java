package sample;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.support.converter.RecordMessageConverter;
import org.springframework.kafka.support.converter.StringJsonMessageConverter;
import redis.clients.jedis.JedisPooled;

/** The parts of the node that are not classes of its own. */
@Configuration
class Beans {
	/** Reads records by the type of the parameter they are for; those of stompgw name no type. */
	@Bean
	RecordMessageConverter converter() {
		return new StringJsonMessageConverter();
	}

	@Bean
	JedisPooled redis(@Value("${sample.redis}") String url) {
		return new JedisPooled(url);
	}
}
