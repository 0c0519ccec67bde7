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

// commandName returns b as a string, the known ones without allocating.
func commandName(b []byte) string {
	switch string(b) {
	case CommandAbort:
		return CommandAbort
	case CommandAck:
		return CommandAck
	case CommandBegin:
		return CommandBegin
	case CommandCommit:
		return CommandCommit
	case CommandConnect:
		return CommandConnect
	case CommandConnected:
		return CommandConnected
	case CommandDisconnect:
		return CommandDisconnect
	case CommandError:
		return CommandError
	case CommandMessage:
		return CommandMessage
	case CommandNack:
		return CommandNack
	case CommandReceipt:
		return CommandReceipt
	case CommandSend:
		return CommandSend
	case CommandStomp:
		return CommandStomp
	case CommandSubscribe:
		return CommandSubscribe
	case CommandUnsubscribe:
		return CommandUnsubscribe
	}
	return string(b)
}

// headerName returns b as a string, without allocating for the names of the protocol and those
// that clients of this gateway commonly send.
func headerName(b []byte) string {
	switch string(b) {
	case HeaderAcceptVersion:
		return HeaderAcceptVersion
	case HeaderAck:
		return HeaderAck
	case HeaderContentLength:
		return HeaderContentLength
	case HeaderContentType:
		return HeaderContentType
	case HeaderDestination:
		return HeaderDestination
	case HeaderHeartBeat:
		return HeaderHeartBeat
	case HeaderHost:
		return HeaderHost
	case HeaderID:
		return HeaderID
	case HeaderLogin:
		return HeaderLogin
	case HeaderMessage:
		return HeaderMessage
	case HeaderMessageID:
		return HeaderMessageID
	case HeaderPasscode:
		return HeaderPasscode
	case HeaderReceipt:
		return HeaderReceipt
	case HeaderReceiptID:
		return HeaderReceiptID
	case HeaderSelector:
		return HeaderSelector
	case HeaderServer:
		return HeaderServer
	case HeaderSession:
		return HeaderSession
	case HeaderSubscription:
		return HeaderSubscription
	case HeaderTransaction:
		return HeaderTransaction
	case HeaderVersion:
		return HeaderVersion
	case "Authorization":
		return "Authorization"
	case "authorization":
		return "authorization"
	case "client-request-code":
		return "client-request-code"
	case "correlation-id":
		return "correlation-id"
	case "expires":
		return "expires"
	case "persistent":
		return "persistent"
	case "priority":
		return "priority"
	case "reply-to":
		return "reply-to"
	case "timestamp":
		return "timestamp"
	case "type":
		return "type"
	case "user-name":
		return "user-name"
	}
	return string(b)
}
