// The whole domain in a few numbers.

import { $, element, setText } from './dom.js';
import { bytes, count, rate } from './format.js';
import { Sparkline } from './sparkline.js';

const both = ({ reliable, fast }) => reliable + fast;
export const received = (node) => both(node.rates.received);
export const delivered = (node) => both(node.rates.delivered);

const FIGURES = [
  ['Sessions', (node) => node.sessions, count],
  ['Messages in /s', received, rate],
  ['Delivered /s', delivered, rate],
  ['Stored /s', (node) => node.rates.stored, rate],
  ['Logins /s', (node) => node.rates.logins, rate],
  ['Pending', (node) => node.pendingMessages, count],
  ['Slow consumers', (node) => node.slowConsumers, count],
  ['Memory', (node) => node.memoryBytes ?? 0, bytes],
];

const shown = FIGURES.map(([label]) => {
  const value = element('dd', { textContent: '–' });
  const spark = new Sparkline();
  return { label, value, spark };
});

export function prepare() {
  $('figures').append(...shown.map(({ label, value, spark }) => element('div', {}, element('dt', { textContent: label }), value, spark.node)));
}

export function show(nodes) {
  const answering = nodes.filter((node) => node.answers);
  FIGURES.forEach(([label, of, format], place) => {
    // Every node's sessions are known, be it silent or not.
    const counted = label === 'Sessions' ? nodes : answering;
    const sum = counted.reduce((total, node) => total + of(node), 0);
    setText(shown[place].value, format(sum));
    shown[place].spark.add(sum);
  });
}
