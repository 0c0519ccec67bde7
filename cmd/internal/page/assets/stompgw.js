// stompgw.resuming(client) has subscriptions of a @stomp/stompjs Client, version 7, go on by themselves after a reconnect,
// from the last message that has come. Call it when the client has its onConnect. Of the answers it tells
// - onSubscribed(destination): the first SUBSCRIBE is in force;
// - onRecovered(destination, recovered, replayed): a later one is, and so many messages come before the live ones. If recovered
//   is false, load what was missed from elsewhere.
'use strict';

globalThis.stompgw = {
  resuming(client, { onSubscribed = () => {}, onRecovered = () => {} } = {}) {
    const subscriptions = new Set();
    let receipts = 0;
    let link; // the connection: when its last byte came
    const now = () => ({ wall: Date.now(), clock: performance.now() }); // the one may be set, the other may sleep
    const since = (then) => Math.round(Math.max(Date.now() - then.wall, performance.now() - then.clock));

    function connected() {
      const own = (link = { heard: now() });
      client.webSocket.addEventListener('message', () => (own.heard = now()));
    }

    function begin(s) {
      if (s.begun === link) return;
      const own = (s.begun = link);
      const headers = { ...s.headers, receipt: `stompgw-${++receipts}` };
      if (s.position) headers.resume = s.position;
      if (s.position && s.whole) headers.away = String(since(s.whole.heard));
      client.watchForReceipt(headers.receipt, ({ headers: told }) => {
        s.due = Number(told.replayed ?? 0);
        if (s.due === 0) [s.position, s.whole] = [told['x-position'], own]; // else they are those of what is replayed
        if (s.answered) onRecovered(s.destination, told.recovered === 'true', s.due);
        else onSubscribed(s.destination);
        s.answered = true;
      });
      const hear = (message) => {
        s.position = message.headers['x-position'];
        if (--s.due === 0) s.whole = own; // the connection on which all had come that there was
        s.callback(message);
      };
      s.handle = client.subscribe(s.destination, hear, headers);
    }

    const { onConnect } = client;
    client.onConnect = (frame) => {
      connected();
      onConnect(frame); // first: it may subscribe to the error destination
      subscriptions.forEach(begin);
    };
    if (client.connected) connected();
    // subscribe is the client's, but once for all connections, the first included. When the gateway has ended a
    // subscription (code 18), call its forget, or it would be taken for one that has missed nothing.
    function subscribe(destination, callback, headers) {
      const s = { destination, callback, headers };
      const forget = () => subscriptions.delete(s);
      subscriptions.add(s);
      if (client.connected) begin(s);
      return { forget, unsubscribe: (headers) => forget() && client.connected && s.handle.unsubscribe(headers) };
    }
    return { subscribe };
  },
};
