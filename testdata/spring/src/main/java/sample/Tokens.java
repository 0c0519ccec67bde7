package sample;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.stereotype.Component;

/** Reads the members' JSON Web Tokens: HS256, with the member's number in the claim "mu". */
@Component
class Tokens {
	private static final String BEARER = "Bearer ";

	private final byte[] secret;
	private final ObjectMapper json;

	Tokens(@Value("${sample.jwt-secret}") String secret, ObjectMapper json) {
		this.secret = secret.getBytes(StandardCharsets.UTF_8);
		this.json = json;
	}

	/** The member whom an Authorization header proves, null when it proves nobody. */
	Long member(String authorization) {
		if (secret.length == 0 || authorization == null || !authorization.startsWith(BEARER)) {
			return null;
		}
		String[] parts = authorization.substring(BEARER.length()).split("\\.", -1);
		try {
			return parts.length == 3 && signed(parts) && fit(part(parts[0]), part(parts[1])) ? part(parts[1]).get("mu").longValue() : null;
		} catch (IOException | IllegalArgumentException e) { // not JSON, not base64
			return null;
		}
	}

	private static boolean fit(JsonNode head, JsonNode claims) {
		return head.path("typ").asText().equals("JWT") && head.path("alg").asText().equals("HS256")
				&& claims.path("tu").asText().equals("access") && claims.path("mu").isIntegralNumber()
				&& claims.path("exp").asLong() > Instant.now().getEpochSecond();
	}

	private JsonNode part(String base64) throws IOException {
		return json.readTree(Base64.getUrlDecoder().decode(base64));
	}

	private boolean signed(String[] parts) {
		try {
			Mac mac = Mac.getInstance("HmacSHA256");
			mac.init(new SecretKeySpec(secret, mac.getAlgorithm()));
			byte[] want = mac.doFinal((parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII));
			return MessageDigest.isEqual(want, Base64.getUrlDecoder().decode(parts[2]));
		} catch (GeneralSecurityException e) {
			throw new IllegalStateException(e); // every Java has it
		}
	}
}
