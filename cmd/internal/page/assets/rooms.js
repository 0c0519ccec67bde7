// Who is here, and which other rooms there are: the first by a subscription to /presence/topic/<room>, the others by the page API, if
// the gateway has it. What is shown is text that comes from strangers, and never HTML.
'use strict';

(() => {
  const EVERY = 10_000; // milliseconds between two looks at the rooms
  const SHOWN = 20; // names and rooms that are shown
  const { client, room, join } = globalThis.chat;
  const here = document.getElementById('here');
  const others = document.getElementById('others');
  const known = document.getElementById('rooms');
  const people = new Map(); // names by member, as JSON

  join.push(() => {
    people.clear();
    here.textContent = '';
    client.subscribe(`/presence/topic/${room}`, hear, { 'client-request-code': 'look' });
  });
  list();

  function hear(message) {
    const { type, part, members = [], count, anonymous } = JSON.parse(message.body);
    if (type === 'paused') {
      here.textContent = 'Who is here can’t be told now.';
      return;
    }
    if (type === 'here' && (part ?? 1) === 1) people.clear();
    for (const { member, info } of members) {
      const id = JSON.stringify(member);
      if (type === 'left') people.delete(id);
      else people.set(id, String(info?.name ?? member));
    }
    const names = [...people.values()].slice(0, SHOWN);
    const guests = anonymous + count - Math.min(count, names.length);
    if (guests > 0) names.push(guests === 1 ? '1 guest' : `${guests} guests`);
    here.textContent = `Here: ${names.join(', ')}`;
  }

  async function list() {
    try {
      const base = new URL(document.documentElement.dataset.endpoint, document.baseURI);
      const answer = await fetch(`${base.pathname}/api/destinations?${new URLSearchParams({ match: '/topic/*' })}`);
      if (answer.status === 404) return; // the gateway has no such API
      if (answer.ok) showRooms((await answer.json()).destinations);
    } catch {
      // The gateway is away, and the page says so already.
    }
    setTimeout(list, EVERY);
  }

  function showRooms(destinations) {
    const rooms = destinations.map(({ destination, members = 0, anonymous = 0 }) => ({ name: destination.slice('/topic/'.length), present: members + anonymous }));
    rooms.sort((a, b) => b.present - a.present);
    known.replaceChildren(...rooms.slice(0, SHOWN).map(({ name }) => Object.assign(document.createElement('option'), { value: name })));
    others.replaceChildren(...rooms.filter(({ name }) => name !== room).slice(0, SHOWN).map(link));
  }

  function link({ name, present }) {
    const item = document.createElement('li');
    const a = document.createElement('a');
    a.href = `?${new URLSearchParams({ room: name })}`;
    a.textContent = present > 0 ? `${name} (${present})` : name;
    item.append(a);
    return item;
  }
})();
