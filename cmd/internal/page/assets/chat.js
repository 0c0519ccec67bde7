// The chat page: one STOMP session in one room. What others say comes from /topic/<room>, what is
// said here goes to /app/topic/<room>, and what the gateway refuses comes back on the error channel.
// Where the room has a history, the page begins with the last of it, and gets what it has missed.
'use strict';

(() => {
  const KEEP = 500; // messages that stay on the page
  const LAST = 20; // messages that a page begins with
  const HEART_BEAT = 10_000; // milliseconds, both ways
  const ENDED = 18; // codes of refusals
  const MISSED = [19, 20];
  const STATES = {
    connecting: 'Connecting…',
    joined: 'Connected',
    whole: 'Connected, nothing missed',
    missed: 'Connected. Reload to see what was missed',
    refused: 'Not in the room',
    waiting: 'Reconnecting…',
  };

  const ui = Object.fromEntries([...document.querySelectorAll('[id]')].map((e) => [e.id, e]));
  const room = roomOf(location.search);
  let sending = ''; // receipt id of the message that the gateway has not answered yet
  let sent = 0;

  const client = new StompJs.Client({
    brokerURL: endpoint(),
    heartbeatIncoming: HEART_BEAT,
    heartbeatOutgoing: HEART_BEAT,
    connectionTimeout: 10_000,
    reconnectDelay: 500,
    maxReconnectDelay: 10_000,
    reconnectTimeMode: StompJs.ReconnectionTimeMode.EXPONENTIAL,
    discardWebsocketOnCommFailure: true, // a close handshake with a dead network would take minutes
    onConnect: join,
    onStompError: (frame) => notice(frame.headers.message || 'The gateway reported an error.'),
    onWebSocketClose: () => {
      settle(false);
      enter('waiting');
    },
  });
  const joining = { 'client-request-code': 'join', history: String(LAST) };
  const rooms = stompgw.resuming(client, { onSubscribed: joined, onRecovered: rejoined });
  const subscription = rooms.subscribe(`/topic/${room}`, show, joining);
  globalThis.chat = { client, room, join: [] }; // for rooms.js, which adds what is to be done with each new session

  start();

  function start() {
    ui.room.value = room;
    ui.again.href = location.href;
    document.title = `${room} · stompgw chat`;
    ui.name.value = sessionStorage.getItem('name') || `guest-${Math.floor(1000 + Math.random() * 9000)}`;
    sessionStorage.setItem('name', ui.name.value);
    ui.name.addEventListener('change', () => sessionStorage.setItem('name', ui.name.value));
    ui.composer.addEventListener('submit', send);
    enter('connecting');
    client.activate();
    ui.text.focus();
  }

  // endpoint is the gateway that served this page, also behind a proxy that serves it under a path.
  function endpoint() {
    const url = new URL(document.documentElement.dataset.endpoint, document.baseURI);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.search = url.hash = '';
    return url.href;
  }

  function roomOf(query) {
    return (new URLSearchParams(query).get('room') || '').trim() || 'test-channel';
  }

  function join(connected) {
    ui.session.textContent = connected.headers.session || 'without a name';
    client.subscribe('/session/queue/request-error', refused);
    globalThis.chat.join.forEach((begin) => begin());
    enter('connecting');
  }

  function joined() {
    notice('');
    delete joining.history; // or what is on the page would come again, if the rest is lost
    enter('joined');
  }

  function rejoined(destination, recovered) {
    notice('');
    enter(recovered ? 'whole' : 'missed');
  }

  // send keeps the text in its field until the RECEIPT says that the message is out.
  function send(event) {
    event.preventDefault();
    const text = ui.text.value.trim();
    if (!client.connected || sending || !text) return;
    sending = `send-${++sent}`;
    client.watchForReceipt(sending, () => settle(true));
    client.publish({
      destination: `/app/topic/${room}`,
      headers: { 'content-type': 'application/json', receipt: sending, 'client-request-code': sending },
      body: JSON.stringify({ from: ui.name.value, text }),
    });
    update();
  }

  // settle ends the wait for an answer to the last message, with the text gone if it was sent.
  function settle(ok) {
    if (!sending) return;
    sending = '';
    if (ok) {
      ui.text.value = '';
      notice('');
    } else {
      notice('The message may not have been sent.');
    }
    update();
  }

  function refused(message) {
    const { clientRequestCode, errorCode, errorMessage } = JSON.parse(message.body);
    if (clientRequestCode === sending) settle(false);
    if (MISSED.includes(errorCode)) return enter('missed');
    if (clientRequestCode === 'look') return; // the room shows nobody
    if (errorCode === ENDED) subscription.forget();
    if (errorCode === ENDED || clientRequestCode === 'join') enter('refused');
    notice(`${errorMessage} (error ${errorCode})`);
  }

  function show(message) {
    const { from, text } = read(message.body);
    const item = document.createElement('li');
    const by = element('div', 'by');
    by.append(element('b', '', from || 'no name'), element('time', '', clock(new Date())));
    item.append(by, element('p', 'said', text));
    item.classList.toggle('own', from === ui.name.value);

    const atEnd = ui.log.scrollHeight - ui.log.scrollTop - ui.log.clientHeight < 40;
    ui.messages.append(item);
    while (ui.messages.childElementCount > KEEP) ui.messages.firstElementChild.remove();
    if (atEnd) ui.log.scrollTop = ui.log.scrollHeight;
  }

  // read understands this page's own messages and {"content": …}; anything else is shown as it came.
  function read(body) {
    try {
      const said = JSON.parse(body);
      const text = said.text ?? said.content;
      if (typeof text === 'string') return { from: String(said.from ?? ''), text };
    } catch {
      // Not JSON, or null: published by something else than this page.
    }
    return { from: '', text: body };
  }

  function element(name, className, text = '') {
    const e = document.createElement(name);
    e.className = className;
    e.textContent = text; // never as HTML: it comes from strangers
    return e;
  }

  function clock(date) {
    return date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  }

  function notice(text) {
    ui.notice.textContent = text;
  }

  function enter(state) {
    ui.state.dataset.state = state;
    ui.state.textContent = STATES[state];
    update();
  }

  function update() {
    ui.send.disabled = !client.connected || sending !== '';
    ui.text.readOnly = sending !== '';
    ui.composer.setAttribute('aria-busy', String(sending !== ''));
  }
})();
