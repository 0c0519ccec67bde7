// What runs in a page: one session over any of the libraries in clients.js, which a test drives step by
// step, see member.js.
'use strict';

const ERRORS = '/session/queue/request-error';

class PageSession {
  static async enter(library, url, transport, headers) {
    const own = new PageSession();
    own.asked = new Map(); // by receipt: what takes the answer
    own.inboxes = {}; // by name: what has come, in order
    own.waiters = new Set(); // each looks whether what it waits for has come
    Object.assign(own, await connect(library, url, transport, headers, (id) => own.#answer(id, null)));
    return own;
  }

  // subscribe puts what comes into the inbox of a name. It resolves to null, or to the refusal.
  subscribe(name, destination, headers) {
    const inbox = (this.inboxes[name] ??= []);
    const hear = ({ headers, body }) => {
      const refusal = destination === ERRORS && JSON.parse(body);
      if (refusal && this.#answer(refusal.receiptId, refusal)) return;
      inbox.push({ headers, body });
      for (const look of this.waiters) look();
    };
    return this.#ask((receipt) => this.session.subscribe(destination, hear, { ...headers, receipt }));
  }

  // send resolves to null, or to the refusal.
  send(destination, body, headers) {
    return this.#ask((receipt) => this.session.send(destination, body, { ...headers, receipt }));
  }

  // heard resolves to all of an inbox once there are so many messages in it.
  async heard(name, count) {
    let look;
    const come = new Promise((resolve) => (look = () => this.inboxes[name].length >= count && resolve()));
    this.waiters.add(look);
    look();
    await this.until(come);
    this.waiters.delete(look);
    return this.inboxes[name];
  }

  leave() {
    return this.session.close();
  }

  #ask(request) {
    const receipt = `r-${(this.count = (this.count ?? 0) + 1)}`;
    const answer = new Promise((resolve) => this.asked.set(receipt, resolve));
    request(receipt);
    return this.until(answer);
  }

  #answer(receipt, answer) {
    this.asked.get(receipt)?.(answer);
    return this.asked.delete(receipt);
  }
}
