// Pushes: how far they are, making one, sending again to who has not got it.

import * as api from './api.js';
import { $, attempt, confirmed, element, reconcile, setText } from './dom.js';
import { contentOf, count, plural, time } from './format.js';
import { tellKind } from './users.js';

const KEPT_MAX = 1000;
const KEPT_MS = 24 * 3_600_000;
const SHOWN_FIRST = 5;
const SHOWN_MORE = 20;
// The list is of a day: it is read anew now and then, and those that run are asked about each time.
const LIST_EVERY_MS = 15_000;
const ASKED_MAX = 10;

const known = new Map();
let shownMax = SHOWN_FIRST;
let listedAt = -Infinity;
let maySend = false;

const OUTCOMES = [
  ['delivered', 'delivered'], ['stored', 'stored'], ['forwarded', 'to other domains'], ['dropped', 'dropped'], ['refused', 'refused'], ['pending', 'to go'],
];

const lost = (push) => push.dropped + push.refused;

function make({ pushId }) {
  const heading = element('b');
  const chip = element('span', { className: 'chip' });
  const bar = element('progress', { max: 1 });
  bar.setAttribute('aria-label', `Progress of push ${pushId}`);
  const counts = element('span', { className: 'counts' });
  const id = element('code', { className: 'hint', textContent: pushId });
  const error = element('p', { className: 'error' });
  error.setAttribute('role', 'alert');
  const again = element('button', { type: 'button', className: 'quiet', textContent: 'Send again' });
  again.setAttribute('aria-label', `Send push ${pushId} again to who has not got it`);
  again.addEventListener('click', () => void attempt(again, error, async () => {
    await api.retryPush(pushId);
    known.set(pushId, await api.pushReport(pushId));
    show();
  }));
  const who = element('button', { type: 'button', className: 'quiet', textContent: 'Who has not got it' });
  who.setAttribute('aria-label', `Who has not got push ${pushId}, as a file`);
  who.addEventListener('click', () => void attempt(who, error, async () => {
    const url = URL.createObjectURL(await api.undelivered(pushId));
    element('a', { href: url, download: `push-${pushId}.ndjson` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }));
  const actions = element('span', { className: 'actions' }, again, who);
  const row = element('li', {}, element('span', { className: 'line' }, heading, chip), bar, counts, id, actions, error);
  row.dataset.push = pushId;
  return Object.assign(row, { heading, chip, bar, counts, again, who });
}

function update(row, push) {
  setText(row.heading, `${time(push.created)}, ${plural(push.total, 'user')}`);
  const share = push.total > 0 ? (push.total - push.pending) / push.total : 0;
  row.dataset.state = push.done ? 'done' : 'running';
  setText(row.chip, push.done ? 'done' : `${Math.floor(share * 100)} %`);
  row.bar.value = push.done ? 1 : share;
  const told = OUTCOMES.filter(([key]) => push[key] > 0).map(([key, word]) => `${count(push[key])} ${word}`);
  setText(row.counts, told.join(', ') || 'nobody yet');
  row.again.hidden = !(push.done && lost(push) > 0 && maySend);
  row.who.hidden = push.total === 0 || push.delivered === push.total;
}

function show() {
  const newest = [...known.values()].sort((a, b) => b.created - a.created || (a.pushId < b.pushId ? -1 : 1));
  $('pushes-none').hidden = newest.length > 0;
  $('pushes-more').hidden = newest.length <= shownMax;
  reconcile($('push-rows'), newest.slice(0, shownMax), ({ pushId }) => pushId, make, update);
}

export async function refresh(scopes) {
  maySend = scopes.send;
  if (performance.now() - listedAt > LIST_EVERY_MS) {
    const all = await api.pushes(KEPT_MAX);
    listedAt = performance.now();
    if (all.length < KEPT_MAX) known.clear();
    for (const [id, { created }] of known) if (Date.now() - created > KEPT_MS) known.delete(id);
    $('pushes-many').hidden = all.length < KEPT_MAX;
    for (const push of all) known.set(push.pushId, push);
  } else {
    const running = [...known.values()].filter(({ done }) => !done).slice(0, ASKED_MAX);
    for (const push of await Promise.all(running.map(({ pushId }) => api.pushReport(pushId)))) known.set(push.pushId, push);
  }
  show();
  setText($('pushes-error'), '');
}

export const refreshFailed = (problem) => setText($('pushes-error'), problem.message);

// Whoever signs in next begins anew.
export function forget() {
  known.clear();
  listedAt = -Infinity;
  show();
  $('pushes-none').hidden = true;
}

function target() {
  switch ($('push-target').value) {
    case 'app': return { to: { app: $('push-app').value.trim() }, whom: `all who are online of ${$('push-app').value.trim()}` };
    case 'all': return { to: { all: true }, whom: 'all who are online' };
    default: {
      const to = $('push-users').value.split(/[\s,;]+/).filter(Boolean);
      return { to, whom: plural(to.length, 'user') };
    }
  }
}

// The same push made twice, because the first answer was lost, is one.
function key() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

let unanswered = { body: '', key: '' };

async function push() {
  const { to, whom } = target();
  if (Array.isArray(to) && to.length === 0) throw new Error('Name at least one user.');
  const { content } = contentOf($('push-content').value);
  const request = { to, content, feature: $('push-feature').value };
  setText($('pushed'), '');
  if (!(await confirmed(`Push to ${whom}?`, 'It begins at once, and cannot be called back.', 'Push'))) return;
  const body = JSON.stringify(request);
  if (unanswered.body !== body) unanswered = { body, key: key() };
  const { pushId } = await api.makePush(request, unanswered.key);
  unanswered = { body: '', key: '' };
  setText($('pushed'), `Taken as push ${pushId}.`);
  // A token may send and not read.
  await api.pushReport(pushId).then((report) => known.set(pushId, report), () => {});
  show();
}

export function prepare() {
  $('push-target').addEventListener('change', () => {
    const chosen = $('push-target').value;
    $('push-users-label').hidden = chosen !== 'users';
    $('push-app-label').hidden = chosen !== 'app';
    $('push-app').required = chosen === 'app';
  });
  $('push').addEventListener('submit', (event) => {
    event.preventDefault();
    void attempt($('push'), $('push-error'), push);
  });
  $('pushes-more').addEventListener('click', () => {
    shownMax += SHOWN_MORE;
    show();
  });
  tellKind($('push-content'), $('push-kind'));
}
