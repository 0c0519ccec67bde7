package sample;

import com.fasterxml.jackson.annotation.JsonIgnore;
import java.security.Principal;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.UUID;

/**
 * A client's session, which is also the principal that Spring delivers individual messages to. As JSON it is
 * the value of the session map.
 */
public record Session(@JsonIgnore String sessionId, String connectDatetime, String serverUuid, String principalUserName, Long memberUid)
		implements Principal {

	/** Names this process, and its group of consumers. */
	public static final String SERVER_UUID = System.currentTimeMillis() + "/" + UUID.randomUUID();

	private static final DateTimeFormatter CONNECT_DATETIME = DateTimeFormatter.ofPattern("yyyy_MM_dd_'T'_HH_mm_ss_SSS_z");

	/** A session that connects now; memberUid is null when nobody has logged in. */
	static Session begin(String sessionId, Long memberUid) {
		String now = ZonedDateTime.now().format(CONNECT_DATETIME);
		return new Session(sessionId, now, SERVER_UUID, SERVER_UUID + "/" + sessionId + "/" + now, memberUid);
	}

	/** The name of its entry in Redis. */
	String key() {
		return serverUuid + "_" + sessionId;
	}

	@Override
	@JsonIgnore
	public String getName() {
		return principalUserName;
	}
}
