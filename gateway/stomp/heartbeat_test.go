package stomp

import (
	"errors"
	"testing"
	"time"
)

// ms returns the HeartBeat of two numbers of milliseconds.
func ms(send, receive int) HeartBeat {
	return HeartBeat{time.Duration(send) * time.Millisecond, time.Duration(receive) * time.Millisecond}
}

// TestHeartBeating holds the numbers of "Heart-beating"; the end-of-lines are in TestHeartBeats.
func TestHeartBeating(t *testing.T) {
	for _, test := range []struct {
		value string
		want  HeartBeat
	}{
		{"0,0", ms(0, 0)},
		{"10000,20000", ms(10000, 20000)},
		{" 1 , 2 ", ms(1, 2)},
		{"0005,0", ms(5, 0)},
		{"999999999,999999999", ms(999999999, 999999999)},
		{"2147483647,9223372036854775807", HeartBeat{2147483647 * time.Millisecond, maxPeriod}},
		{"0000000000000000001,99999999999999999999999999999999999999", HeartBeat{time.Millisecond, maxPeriod}},
	} {
		if got, err := ParseHeartBeat([]byte(test.value)); err != nil || got != test.want {
			t.Errorf("%q: %v %v, want %v", test.value, got, err, test.want)
		}
	}
	for _, value := range []string{"", ",", "1", "1,", ",1", "-1,1", "+1,1", "1.5,1", "1,2,3", "a,b", "1 1,1", "0x1,1", "1;1", "\u0661,1"} {
		_, err := ParseHeartBeat([]byte(value))
		var fault *ProtocolError
		if !errors.As(err, &fault) || fault.Section != "Heart-beating" || fault.Offset != -1 {
			t.Errorf("%q: %v, want a fault", value, err)
		}
	}
	_, err := ParseHeartBeat([]byte("secret"))
	if want := `stomp: heart-beat must be two whole numbers of milliseconds, such as "10000,10000" (Heart-beating)`; err.Error() != want {
		t.Errorf("error %q", err)
	}

	if got := ms(10000, 20).String(); got != "10000,20" {
		t.Error(got)
	}
	if got := (HeartBeat{Send: time.Microsecond, Receive: 1500 * time.Microsecond}).String(); got != "1,2" {
		t.Errorf("parts of a millisecond: %s, want 1,2", got)
	}
}

// TestHeartBeatAgreement holds what both sides do after they have said what they can do.
func TestHeartBeatAgreement(t *testing.T) {
	for _, test := range []struct {
		rule                  string
		offer, client         HeartBeat
		said                  HeartBeat // by the server
		fromServer, fromOther int       // the periods that follow, in ms
	}{
		{"the client wants none and sends none", ms(10000, 10000), ms(0, 0), ms(10000, 10000), 0, 0},
		{"the server sends none and wants none", ms(0, 0), ms(5000, 5000), ms(0, 0), 0, 0},
		{"alike", ms(10000, 10000), ms(10000, 10000), ms(10000, 10000), 10000, 10000},
		{"the client asks for less often", ms(10000, 10000), ms(30000, 60000), ms(10000, 10000), 60000, 30000},
		{"the client asks for more often", ms(10000, 10000), ms(4000, 5000), ms(5000, 4000), 5000, 4000},
		{"a second at the least", ms(10000, 10000), ms(20, 50), ms(1000, 1000), 1000, 1000},
		{"an offer under a second stands", ms(500, 200), ms(20, 3000), ms(500, 200), 3000, 200},
		{"one direction", ms(10000, 10000), ms(0, 2000), ms(2000, 10000), 2000, 0},
		{"the other direction", ms(10000, 10000), ms(2000, 0), ms(10000, 2000), 0, 2000},
	} {
		t.Run(test.rule, func(t *testing.T) {
			said := test.offer.Answer(test.client)
			if said != test.said {
				t.Errorf("the server says %v, want %v", said, test.said)
			}
			if got, want := said.Agree(test.client), ms(test.fromServer, test.fromOther); got != want {
				t.Errorf("the server has %v, want %v", got, want)
			}
			if got, want := test.client.Agree(said), ms(test.fromOther, test.fromServer); got != want {
				t.Errorf("the client has %v, want %v", got, want)
			}
		})
	}
}
