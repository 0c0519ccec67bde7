// What runs in a page: STOMP over SockJS with each client library, in the way that its users write it.
// The page has the libraries' own scripts, and talks with one session at a time.
'use strict';

// Each library connects over a socket that it has opened. headers are those of CONNECT, and on has what
// is called: connected, failed with a text, and receipt with an id.
const libraries = {
  'stompjs 7': (socket, headers, on) => {
    const client = new StompJs.Client({
      webSocketFactory: socket,
      connectHeaders: headers,
      reconnectDelay: 0,
      onStompError: ({ headers }) => on.failed(headers.message),
      onWebSocketClose: ({ code, reason }) => on.failed(`closed with ${code} ${reason}`),
      onUnhandledReceipt: ({ headers }) => on.receipt(headers['receipt-id']),
      onConnect: () => on.connected(),
    });
    client.activate();
    return {
      subscribe: (destination, hear, headers) => client.subscribe(destination, hear, headers),
      send: (destination, body, headers) => client.publish({ destination, body, headers }),
      close: () => client.deactivate(),
    };
  },
  'webstomp-client': (socket, headers, on) => {
    const client = webstomp.over(socket(), { debug: false });
    client.onreceipt = ({ headers }) => on.receipt(headers['receipt-id']);
    client.connect(headers, () => on.connected(), ({ headers, code, reason }) => on.failed(headers?.message ?? `closed with ${code} ${reason}`));
    return {
      subscribe: (destination, hear, headers) => client.subscribe(destination, hear, headers),
      send: (destination, body, headers) => client.send(destination, body, headers),
      close: () => new Promise((resolve) => client.disconnect(resolve)),
    };
  },
  'stomp.js 2.3.3': (socket, headers, on) => {
    const client = Stomp.over(socket());
    client.debug = null;
    client.onreceipt = ({ headers }) => on.receipt(headers['receipt-id']);
    client.connect(headers, () => on.connected(), (reason) => on.failed(reason.headers?.message ?? reason));
    return {
      subscribe: (destination, hear, headers) => client.subscribe(destination, hear, headers),
      send: (destination, body, headers) => client.send(destination, headers, body),
      close: () => new Promise((resolve) => client.disconnect(resolve)),
    };
  },
};

const PLAIN = 'plain'; // for a transport: a WebSocket without SockJS
const UNDER_WAY = 32; // messages that have been sent and not heard yet, at most

function open(url, transport) {
  if (transport === PLAIN) return new WebSocket(url.replace(/^http/, 'ws'), ['v12.stomp', 'v11.stomp', 'v10.stomp']);
  return new SockJS(url, null, { transports: transport, timeout: 30_000 });
}

// connect resolves to a session of a library, to the transport that it uses, and to until, which waits
// for a promise as long as nothing fails.
async function connect(library, url, transport, headers, receipt) {
  let socket, failed, session;
  const failure = new Promise((_, reject) => (failed = (reason) => reject(new Error(reason))));
  const until = (promise) => Promise.race([promise, failure]);
  const opened = () => (socket = open(url, transport));
  await until(new Promise((connected) => (session = libraries[library](opened, headers, { connected, failed, receipt }))));
  return { session, until, transport: socket.transport ?? transport };
}

// converse subscribes, sends the bodies to the same destination or another, and resolves, when as many
// messages have come, to what they were and to the transport that SockJS used.
async function converse(library, url, transport, destination, bodies, to = destination) {
  let receipt;
  const live = new Promise((resolve) => (receipt = resolve));
  const { session, until, transport: used } = await connect(library, url, transport, {}, receipt);
  const heard = [];
  session.subscribe(destination, ({ body }) => heard.push(body), { receipt: 'live' });
  await until(live);
  const done = new Promise((resolve) => {
    let sent = 0;
    const turn = () => {
      while (sent < bodies.length && sent - heard.length < UNDER_WAY) session.send(to, bodies[sent++], {});
      if (heard.length >= bodies.length) resolve();
      else setTimeout(turn, 5);
    };
    turn();
  });
  await until(done);
  await session.close();
  return { transport: used, heard };
}
