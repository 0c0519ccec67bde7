// A stompjs client for tests in other languages: node listen.js URL DESTINATION...
// Each line that it prints is JSON: first the CONNECTED headers, when it has subscribed to all, then each
// MESSAGE. It goes on until its standard input ends.
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';

const [brokerURL, ...destinations] = process.argv.slice(2);
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const client = new Client({ webSocketFactory: () => new WebSocket(brokerURL, ['v12.stomp']), reconnectDelay: 0 });
client.onStompError = (frame) => print({ error: frame.headers.message });
client.onConnect = ({ headers }) => {
  let left = destinations.length;
  client.onUnhandledReceipt = () => --left === 0 && print({ headers });
  for (const destination of destinations) {
    client.subscribe(destination, ({ headers, body }) => print({ headers, body }), { receipt: destination });
  }
};
client.activate();
process.stdin.resume().on('end', () => client.deactivate());
