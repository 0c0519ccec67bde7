// A session in a tab of its own, of somebody who may have tokens.
import { openLibraries } from './libraries.js';

export class Member {
  // enter connects with a library and over a transport, which is one of SockJS or 'plain', with a token
  // or without. The end of the test t closes the tab.
  static async enter(t, browser, gateway, { library, transport }, token) {
    const member = new Member();
    member.tab = await openLibraries(browser, `${gateway.page}stomp`);
    t.after(() => member.tab.context().close());
    const args = [library, `${gateway.page}stomp`, transport, headersOf(undefined, token)];
    member.transport = await member.tab.evaluate(async (args) => (window.own = await PageSession.enter(...args)).transport, args);
    return member;
  }

  // subscribe has what comes kept under a name. It returns null, or the refusal.
  subscribe(name, destination, token, more = {}) {
    return this.#call('subscribe', name, destination, { ...headersOf('SUBSCRIBE', token), ...more });
  }

  // send returns null, or the refusal.
  send(destination, body, token) {
    return this.#call('send', destination, body, headersOf('SEND', token));
  }

  // heard returns all messages under a name once there are so many.
  heard(name, count) {
    return this.#call('heard', name, count);
  }

  // bodies are those of heard.
  async bodies(name, count) {
    return (await this.heard(name, count)).map(({ body }) => body);
  }

  leave() {
    return this.#call('leave');
  }

  #call(name, ...args) {
    return this.tab.evaluate(([name, args]) => window.own[name](...args), [name, args]);
  }
}

function headersOf(code, token) {
  return { ...(code && { 'client-request-code': code }), ...(token && { Authorization: `Bearer ${token}` }) };
}
