// Package wire reads and writes the bytes of Kafka's protocol, where kafka-go does not, or takes more
// memory for an answer than this gateway has: batches of records, and requests for one broker.
//
// It knows no state, no goroutines and no meaning of a record. Nothing that a broker says of a size
// is believed before so many bytes are there. What is read of brokers, and how large a batch may
// become, is bounded by whoever asks.
package wire
