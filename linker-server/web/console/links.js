// The domains of the network and the links between them: drawn, and as a table.

import { $, reconcile, setText, tableRow } from './dom.js';
import { count, plural, time } from './format.js';
import { draw } from './graph.js';

const COLUMNS = [['From', 'name'], ['To'], ['State'], ['Waiting', 'number'], ['Since'], ['Why']];

let latest = null;
let drawn = '';

// As long as nothing has changed the drawing stays.
function redraw() {
  const graph = $('graph');
  const width = Math.floor(graph.parentElement.clientWidth - 32);
  if (!latest || latest.domains.length < 2 || width < 100) return;
  const wanted = JSON.stringify([latest, width]);
  if (wanted === drawn) return;
  drawn = wanted;
  draw(graph, latest.domains, latest.own, width);
}

export function prepare() {
  new ResizeObserver(redraw).observe($('domains'));
}

function summary(domains, links, own) {
  if (domains.length < 2) return `${own || 'This domain'} is alone: there are no others to link to.`;
  const pairs = new Set(links.map(({ from, to }) => JSON.stringify([from, to].sort())));
  const down = new Set(links.filter(({ state }) => state === 'down').map(({ from, to }) => JSON.stringify([from, to].sort()))).size;
  const waiting = links.reduce((sum, { backlog }) => sum + (backlog ?? 0), 0);
  const parts = [plural(domains.length, 'domain'), `${plural(pairs.size, 'link')} between them`];
  parts.push(down === 0 ? 'all up' : `${down} of them down`);
  if (waiting > 0) parts.push(`${plural(waiting, 'message waits', 'messages wait')} here`);
  return `${parts.join(', ')}.`;
}

export function show(domains, own) {
  const links = domains.flatMap(({ name, links: of }) => of.map((link) => ({ from: name, ...link })));
  const isAlone = domains.length < 2;
  $('graph').toggleAttribute('hidden', isAlone);
  $('legend').hidden = isAlone;
  $('links').hidden = isAlone;
  setText($('domains-summary'), summary(domains, links, own));
  latest = { domains, own };
  redraw();
  const rank = ({ state, from }) => (state === 'down' ? 0 : 2) + (from === own ? 0 : 1);
  links.sort((a, b) => rank(a) - rank(b) || a.from.localeCompare(b.from, 'en', { numeric: true }) || a.to.localeCompare(b.to, 'en', { numeric: true }));
  reconcile($('link-rows'), links, ({ from, to }) => JSON.stringify([from, to]), () => tableRow(COLUMNS), (row, link) => {
    row.dataset.state = link.state;
    const texts = [link.from, link.to, link.state === 'down' ? '✕ down' : 'up', link.backlog === undefined ? '–' : count(link.backlog), link.since ? time(link.since) : '–', link.reason ?? ''];
    texts.forEach((text, place) => setText(row.parts[place], text));
  });
}
