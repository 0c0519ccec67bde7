package stomp

// The commands of all versions.
const (
	CommandAbort       = "ABORT"
	CommandAck         = "ACK"
	CommandBegin       = "BEGIN"
	CommandCommit      = "COMMIT"
	CommandConnect     = "CONNECT"
	CommandConnected   = "CONNECTED"
	CommandDisconnect  = "DISCONNECT"
	CommandError       = "ERROR"
	CommandMessage     = "MESSAGE"
	CommandNack        = "NACK"
	CommandReceipt     = "RECEIPT"
	CommandSend        = "SEND"
	CommandStomp       = "STOMP"
	CommandSubscribe   = "SUBSCRIBE"
	CommandUnsubscribe = "UNSUBSCRIBE"
)

// The header names of all versions.
const (
	HeaderAcceptVersion = "accept-version"
	HeaderAck           = "ack"
	HeaderContentLength = "content-length"
	HeaderContentType   = "content-type"
	HeaderDestination   = "destination"
	HeaderHeartBeat     = "heart-beat"
	HeaderHost          = "host"
	HeaderID            = "id"
	HeaderLogin         = "login"
	HeaderMessage       = "message"
	HeaderMessageID     = "message-id"
	HeaderPasscode      = "passcode"
	HeaderReceipt       = "receipt"
	HeaderReceiptID     = "receipt-id"
	HeaderSelector      = "selector"
	HeaderServer        = "server"
	HeaderSession       = "session"
	HeaderSubscription  = "subscription"
	HeaderTransaction   = "transaction"
	HeaderVersion       = "version"
)

// known returns b as a string, without allocating for the names of the protocol and those that clients of
// this gateway commonly send.
func known(b []byte) string {
	names := ofLength(len(b))
	for at := 0; at < len(names); at += len(b) {
		if name := names[at : at+len(b)]; name == string(b) {
			return name
		}
	}
	return string(b)
}

// ofLength returns the names of n bytes that are known, one behind the other, those that come most first.
func ofLength(n int) string {
	switch n {
	case 2:
		return HeaderID
	case 3:
		return CommandAck + HeaderAck
	case 4:
		return CommandSend + CommandNack + HeaderHost + "type"
	case 5:
		return CommandBegin + CommandAbort + CommandStomp + CommandError + HeaderLogin
	case 6:
		return CommandCommit + HeaderServer
	case 7:
		return HeaderReceipt + CommandConnect + CommandMessage + CommandReceipt + HeaderMessage + HeaderSession + HeaderVersion + "expires"
	case 8:
		return HeaderPasscode + HeaderSelector + "priority" + "reply-to"
	case 9:
		return CommandSubscribe + CommandConnected + "timestamp" + "user-name"
	case 10:
		return CommandDisconnect + HeaderHeartBeat + HeaderMessageID + HeaderReceiptID + "persistent"
	case 11:
		return HeaderDestination + HeaderTransaction + CommandUnsubscribe
	case 12:
		return HeaderContentType + HeaderSubscription
	case 13:
		return "Authorization" + "authorization"
	case 14:
		return HeaderContentLength + HeaderAcceptVersion + "correlation-id"
	case 19:
		return "client-request-code"
	}
	return ""
}
