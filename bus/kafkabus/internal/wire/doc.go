// Package wire is the way to a broker: connections, and the bytes of Kafka's protocol where kafka-go would
// take more memory for an answer than a node has, fail a whole answer for one batch, or does not know a request.
//
// It starts no goroutines, and knows no meaning of a record. No size that a broker claims of records costs more
// memory than there is a bound for: that of an answer and of what a batch unpacks to are bounded by whoever asks,
// and all others by the answer that they stand in.
package wire
