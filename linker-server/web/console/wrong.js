// What is wrong now, in one line.

import { count, listed, time } from './format.js';

const PARTS = {
  store: 'the store is away',
  presence: 'the presence registry is away',
  bus: 'the bus between the nodes is away',
  meta: 'the meta document is not there, or cannot be used',
  cluster: 'nodes of this domain are configured differently',
};

const nodesCalled = (names) => `${names.length === 1 ? 'node' : 'nodes'} ${listed(names)}`;
const capital = (text) => text && text[0].toUpperCase() + text.slice(1);

// What is the same on several nodes is told once, with when it began.
function troubles(nodes) {
  const found = new Map();
  for (const node of nodes) {
    for (const { part, what, since } of node.wrong ?? []) {
      if (part === 'drain') continue;
      const known = found.get(part) ?? { part, on: [], causes: new Set(), since };
      known.on.push(node.name);
      known.causes.add(what);
      known.since = Math.min(known.since, since);
      found.set(part, known);
    }
  }
  return [...found.values()].map(({ part, on, causes, since }) => {
    const where = on.length === nodes.length ? '' : ` on ${listed(on)}`;
    return {
      key: `${part} ${on.join(' ')}`,
      head: `${PARTS[part] ?? `${part} is not well`}${where} since ${time(since)}`,
      causes: [...causes].map((cause) => `${part}: ${cause}`),
    };
  });
}

// Both directions of a link are one thing to say; this domain's own are told by what its nodes know of them.
function links(domains, own) {
  const down = domains.flatMap(({ name, links: of }) => of.filter(({ state }) => state === 'down').map((link) => ({ from: name, ...link })));
  const isDown = (from, to) => down.some((link) => link.from === from && link.to === to);
  const mine = [];
  const others = [];
  for (const { from, to, backlog, since, reason } of down) {
    const isBoth = isDown(to, from);
    if (from === own) {
      const when = since ? ` since ${time(since)}` : '';
      const waiting = backlog > 0 ? `, ${count(backlog)} ${backlog === 1 ? 'waits' : 'wait'}` : '';
      mine.push({ key: `link to ${to}`, head: `link to ${to} is down${when}${waiting}`, causes: reason ? [`link to ${to}: ${reason}`] : [] });
    } else if (to === own) {
      if (!isBoth) mine.push({ key: `link from ${from}`, head: `link from ${from} is down`, causes: [] });
    } else if (!isBoth || from < to) {
      const head = isBoth ? `link between ${from} and ${to} is down` : `link from ${from} to ${to} is down`;
      others.push({ key: head, head, causes: [] });
    }
  }
  if (others.length <= 2) return [...mine, ...others];
  return [...mine, { key: `others ${others.length}`, head: `${others.length} links between other domains are down`, causes: others.map(({ head }) => head) }];
}

// `gone`: nodes that did not answer and are there no more, with when that was noticed.
export function problems({ nodes, domains, own, gone }) {
  const bad = [...troubles(nodes), ...links(domains, own)];
  const silent = nodes.filter(({ answers }) => !answers).map(({ name }) => name);
  if (silent.length > 0) bad.unshift({ key: `silent ${silent.join(' ')}`, head: `${nodesCalled(silent)} ${silent.length === 1 ? 'does' : 'do'} not answer`, causes: [] });
  for (const [name, since] of gone) bad.push({ key: `gone ${name}`, head: `node ${name} is gone since ${time(since)}`, causes: [] });
  const odd = [];
  const draining = nodes.filter(({ state }) => state === 'draining').map(({ name }) => name);
  if (draining.length > 0) odd.push({ key: `drain ${draining.join(' ')}`, head: `${nodesCalled(draining)} ${draining.length === 1 ? 'is' : 'are'} draining`, causes: [] });
  const notes = new Map();
  for (const node of nodes) for (const [part, note] of Object.entries(node.notes ?? {})) notes.set(`${part}: ${note}`, part);
  for (const [note, part] of notes) odd.push({ key: note, head: `${part} is not as it should be`, causes: [note] });
  return { bad, odd };
}

// From `/health/ready`, for who may not see more.
export function problemsOfHealth({ checks = {} }) {
  const wrong = Object.entries(checks).filter(([, said]) => said !== 'ok');
  const all = wrong.map(([part, said]) => ({ key: part, head: part === 'drain' ? 'this node is draining' : (PARTS[part] ?? `${part} is not well`), causes: [`${part}: ${said}`], part }));
  return { bad: all.filter(({ part }) => part !== 'drain'), odd: all.filter(({ part }) => part === 'drain') };
}

// As what it is shown, and what of it is news: numbers that change are none.
export function sentence({ bad, odd }, well) {
  const all = [...bad, ...odd];
  if (all.length === 0) return { state: 'well', text: well, causes: [], news: well };
  return {
    state: bad.length > 0 ? 'bad' : 'odd',
    text: `${capital(all.map(({ head }) => head).join('; '))}.`,
    causes: all.flatMap(({ causes }) => causes),
    news: all.map(({ key }) => key).join('; '),
  };
}
