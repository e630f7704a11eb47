// The domains on a circle, in the order in which links lead around: the same network is always drawn the same.

import { svg } from './dom.js';
import { count } from './format.js';

// Beyond so many the names stand like spokes.
const NAMES_LEVEL = 10;
const NAME_LENGTH = 18;
const LETTER = 6.8;
// Spokes closer than this cannot all be read: then only those that matter have names, and the table the rest.
const SPOKES_APART = 12;

const short = (name) => (name.length > NAME_LENGTH ? `${name.slice(0, NAME_LENGTH - 1)}…` : name);

// Depth first from the own domain, by name: a ring is drawn as a ring, and what hangs together stands together.
function around(domains, own) {
  const of = new Map(domains.map((domain) => [domain.name, domain]));
  const found = new Set();
  const visit = (name) => {
    if (found.has(name) || !of.has(name)) return;
    found.add(name);
    of.get(name).links.map(({ to }) => to).sort().forEach(visit);
  };
  visit(own);
  [...of.keys()].sort().forEach(visit);
  return [...found];
}

// Both directions of each link, with the domain first whose backlog is known.
function pairs(domains, own) {
  const found = new Map();
  for (const { name, links } of domains) {
    for (const link of links) {
      const ends = [name, link.to].sort((a, b) => (b === own) - (a === own) || (a < b ? -1 : 1));
      const key = JSON.stringify(ends);
      const pair = found.get(key) ?? { ends, down: [], backlog: 0 };
      if (link.state === 'down') pair.down.push(name);
      pair.backlog += link.backlog ?? 0;
      found.set(key, pair);
    }
  }
  return [...found.values()];
}

function places(names, width) {
  const longest = Math.max(...names.map((name) => short(name).length));
  const room = longest * LETTER + 16;
  const isLevel = names.length <= NAMES_LEVEL;
  const height = isLevel ? (names.length <= 2 ? 130 : Math.min(320, width * 0.75)) : Math.min(width, 600);
  const [across, up] = isLevel
    ? [Math.min(width / 2 - 62, 300), height / 2 - 38]
    : [Math.min(width, height) / 2 - room, Math.min(width, height) / 2 - room];
  const first = names.length <= 2 ? Math.PI : -Math.PI / 2;
  const at = new Map(names.map((name, place) => {
    const angle = first + (2 * Math.PI * place) / names.length;
    return [name, { x: width / 2 + across * Math.cos(angle), y: height / 2 + up * Math.sin(angle), angle }];
  }));
  const isDense = !isLevel && (2 * Math.PI * across) / names.length < SPOKES_APART;
  return { at, height, isLevel, isDense };
}

const between = (a, b, share) => ({ x: a.x + (b.x - a.x) * share, y: a.y + (b.y - a.y) * share });

function nameOf(name, { x, y, angle }, isLevel) {
  const attributes = { class: 'name' };
  if (isLevel) {
    Object.assign(attributes, { x, y: y + (Math.sin(angle) < -0.1 ? -13 : 23), 'text-anchor': 'middle' });
  } else {
    const isLeft = Math.cos(angle) < 0;
    const degrees = (angle * 180) / Math.PI + (isLeft ? 180 : 0);
    Object.assign(attributes, { x: isLeft ? -11 : 11, y: 4, 'text-anchor': isLeft ? 'end' : 'start', transform: `translate(${x} ${y}) rotate(${degrees})` });
  }
  return svg('text', attributes, short(name), svg('title', {}, name));
}

function linkOf({ ends: [one, other], down }, at) {
  const [a, b] = [at.get(one), at.get(other)];
  const drawn = [svg('path', { class: down.length > 0 ? 'link down' : 'link', d: `M${a.x} ${a.y}L${b.x} ${b.y}` })];
  for (const from of down) {
    const { x, y } = from === one ? between(a, b, 0.28) : between(b, a, 0.28);
    drawn.push(svg('path', { class: 'cross', d: `M${x - 5} ${y - 5}l10 10M${x + 5} ${y - 5}l-10 10` }));
  }
  return drawn;
}

function backlogOf({ ends: [one, other], backlog }, at) {
  const { x, y } = between(at.get(one), at.get(other), 0.52);
  return svg('text', { class: 'backlog', x, y: y - 6, 'text-anchor': 'middle' }, `${count(backlog)} wait`);
}

export function draw(graph, domains, own, width) {
  const names = around(domains, own);
  const { at, height, isLevel, isDense } = places(names, width);
  graph.setAttribute('viewBox', `0 0 ${width} ${height}`);
  graph.setAttribute('height', height);
  const linked = pairs(domains, own).filter(({ ends }) => ends.every((name) => at.has(name)));
  // What is down lies over what is up, and names over both.
  linked.sort((a, b) => a.down.length - b.down.length);
  const circles = names.map((name) => {
    const { x, y } = at.get(name);
    return svg('circle', { class: name === own ? 'domain own' : 'domain', cx: x, cy: y, r: name === own ? 8 : isDense ? 4 : 6 }, svg('title', {}, name));
  });
  const matters = new Set([own, ...linked.filter(({ down, backlog }) => down.length > 0 || backlog > 0).flatMap(({ ends }) => ends)]);
  const named = isDense ? names.filter((name) => matters.has(name)) : names;
  graph.replaceChildren(
    ...linked.flatMap((pair) => linkOf(pair, at)),
    ...circles,
    ...named.map((name) => nameOf(name, at.get(name), isLevel)),
    ...linked.filter(({ backlog }) => backlog > 0).map((pair) => backlogOf(pair, at)),
  );
}
