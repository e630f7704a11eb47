// The nodes of the domain, those that need somebody first.

import { $, element, reconcile, setText, tableRow } from './dom.js';
import { delivered, received } from './figures.js';
import { bytes, count, percent, rate, since } from './format.js';
import { Sparkline } from './sparkline.js';

const COLUMNS = [
  ['Node', 'name'], ['Sessions', 'number'], ['In /s', 'number'], ['Delivered /s', 'number'], ['2 minutes', 'trend'], ['Logins /s', 'number'],
  ['CPU', 'number'], ['Memory', 'number'], ['Pending', 'number'], ['Slow', 'number'], ['Up for', 'number'],
];

export function stateOf(node) {
  if (!node.answers) return ['silent', 'does not answer'];
  const wrong = node.wrong.filter(({ part }) => part !== 'drain');
  if (wrong.length > 0) return ['wrong', wrong.map(({ part }) => part).join(', ')];
  if (node.state === 'draining') return ['draining', 'draining'];
  return ['well', ''];
}

const rank = (node) => (stateOf(node)[0] === 'well' ? 1 : 0);

function make() {
  const row = tableRow(COLUMNS);
  row.spark = new Sparkline();
  row.called = element('b');
  row.chip = element('span', { className: 'chip' });
  row.more = element('span', { className: 'hint' });
  row.parts[0].append(row.called, ' ', row.chip, ' ', row.more);
  row.parts[4].append(row.spark.node);
  return row;
}

function update(row, node, me) {
  const [state, word] = stateOf(node);
  row.dataset.state = state;
  setText(row.called, node.name);
  setText(row.chip, word);
  row.chip.hidden = word === '';
  setText(row.more, `${node.name === me ? 'this node, ' : ''}${node.version}`);
  const load = (of) => (node.answers ? of() : '–');
  const texts = [
    count(node.sessions), load(() => rate(received(node))), load(() => rate(delivered(node))), null, load(() => rate(node.rates.logins)),
    load(() => (node.cpu === undefined ? '–' : percent(node.cpu))), load(() => (node.memoryBytes === undefined ? '–' : bytes(node.memoryBytes))),
    load(() => count(node.pendingMessages)), load(() => count(node.slowConsumers)), since(node.since),
  ];
  texts.forEach((text, place) => {
    if (text !== null) setText(row.parts[place + 1], text);
  });
  row.spark.add(node.answers ? delivered(node) : 0);
}

export function show(nodes, me) {
  const sorted = [...nodes].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name, 'en', { numeric: true }));
  setText($('nodes-title'), nodes.length === 1 ? 'Node' : `${count(nodes.length)} nodes`);
  reconcile($('node-rows'), sorted, (node) => node.name, make, (row, node) => update(row, node, me));
}
