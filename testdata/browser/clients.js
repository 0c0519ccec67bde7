// What runs in a page: STOMP over SockJS with each client library, in the way that its users write it.
// The page has the libraries' own scripts, and talks with one session at a time.
'use strict';

const libraries = {
  'stompjs 7': (socket, connected, failed) => {
    const client = new StompJs.Client({
      webSocketFactory: socket,
      reconnectDelay: 0,
      onStompError: ({ headers }) => failed(headers.message),
      onWebSocketClose: ({ code, reason }) => failed(`closed with ${code} ${reason}`),
      onConnect: () => connected(),
    });
    client.activate();
    return {
      subscribe(destination, hear, live) {
        client.watchForReceipt('live', live);
        client.subscribe(destination, ({ body }) => hear(body), { receipt: 'live' });
      },
      send: (destination, body) => client.publish({ destination, body }),
      close: () => client.deactivate(),
    };
  },
  'webstomp-client': (socket, connected, failed) => {
    const client = webstomp.over(socket(), { debug: false });
    client.connect({}, () => connected(), ({ headers, code, reason }) => failed(headers?.message ?? `closed with ${code} ${reason}`));
    return {
      subscribe(destination, hear, live) {
        client.onreceipt = live;
        client.subscribe(destination, ({ body }) => hear(body), { receipt: 'live' });
      },
      send: (destination, body) => client.send(destination, body),
      close: () => new Promise((resolve) => client.disconnect(resolve)),
    };
  },
  'stomp.js 2.3.3': (socket, connected, failed) => {
    const client = Stomp.over(socket());
    client.debug = null;
    client.connect({}, () => connected(), (reason) => failed(reason.headers?.message ?? reason));
    return {
      subscribe(destination, hear, live) {
        client.onreceipt = live;
        client.subscribe(destination, ({ body }) => hear(body), { receipt: 'live' });
      },
      send: (destination, body) => client.send(destination, {}, body),
      close: () => new Promise((resolve) => client.disconnect(resolve)),
    };
  },
};

const UNDER_WAY = 32; // messages that have been sent and not heard yet, at most

// converse subscribes, sends the bodies to the same destination or another, and resolves, when as many
// messages have come, to what they were and to the transport that SockJS used.
async function converse(library, url, transport, destination, bodies, to = destination) {
  let socket, session;
  const open = () => (socket = new SockJS(url, null, { transports: transport, timeout: 30_000 }));
  let failed;
  const failure = new Promise((_, reject) => (failed = (reason) => reject(new Error(reason))));
  const until = (start) => Promise.race([new Promise(start), failure]);

  await until((connected) => (session = libraries[library](open, connected, failed)));
  const used = socket.transport;
  const heard = [];
  await until((live) => session.subscribe(destination, (body) => heard.push(body), live));
  await until((done) => {
    let sent = 0;
    const turn = () => {
      while (sent < bodies.length && sent - heard.length < UNDER_WAY) session.send(to, bodies[sent++]);
      if (heard.length >= bodies.length) done();
      else setTimeout(turn, 5);
    };
    turn();
  });
  await session.close();
  return { transport: used, heard };
}
