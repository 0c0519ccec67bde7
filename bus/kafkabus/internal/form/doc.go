// Package form gives envelopes the form of a Kafka record, and makes envelopes of records: of either
// of the forms that nodes write, and of those of other people's topics.
//
// It knows no brokers and keeps nothing between two records.
package form
