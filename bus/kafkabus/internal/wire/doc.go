// Package wire reads and writes the bytes of Kafka's protocol where kafka-go does not, or would take
// more memory for an answer than a node has: batches of records, and requests for one broker.
//
// It keeps no state, starts no goroutines, and knows no meaning of a record. No size that a broker
// claims costs more memory than there is a bound for: that of an answer and of what a batch unpacks to
// are bounded by whoever asks, and all others by the answer that they stand in.
package wire
