// A user: where it is, what waits for it, a message to it, the end of its sessions.

import * as api from './api.js';
import { $, attempt, confirmed, reconcile, setText, tableRow } from './dom.js';
import { contentOf, plural, since, time } from './format.js';

const COLUMNS = [['Node', 'name'], ['Since'], ['From']];

let shown = null;
let suggested = '';
let asked = 0;

function show(user) {
  shown = user.userId;
  $('found').hidden = false;
  setText($('found-user'), user.userId);
  const where = user.online ? `Online with ${plural(user.sessions.length, 'session')}.` : 'Not online.';
  const waits = user.missing === 0 ? 'Nothing waits for it.' : `${plural(user.missing, 'message waits', 'messages wait')} for it.`;
  setText($('found-summary'), `${where} ${waits}`);
  $('found-sessions').hidden = user.sessions.length === 0;
  const sessions = user.sessions.map((session, place) => ({ ...session, place }));
  reconcile($('session-rows'), sessions, ({ place }) => place, () => tableRow(COLUMNS), (row, session) => {
    setText(row.parts[0], session.node);
    setText(row.parts[1], session.since ? `${time(session.since)} (${since(session.since)})` : 'its node does not answer');
    setText(row.parts[2], session.address ?? '–');
  });
}

export async function find(id) {
  $('user').value = id;
  if (id !== shown) {
    $('found').hidden = true;
    shown = null;
    setText($('closed'), '');
    setText($('close-error'), '');
  }
  setText($('find-error'), '');
  asked += 1;
  const mine = asked;
  try {
    const user = await api.findUser(id);
    // Somebody else may have been asked for meanwhile.
    if (mine !== asked) return;
    show(user);
    // Unless somebody else was entered.
    if (['', suggested].includes($('to').value)) $('to').value = user.userId;
    suggested = user.userId;
  } catch (problem) {
    if (mine === asked) setText($('find-error'), problem.message);
  }
}

// What is shown may have changed meanwhile.
export async function refresh() {
  if (shown === null) return;
  const user = await api.findUser(shown);
  if (user.userId === shown) show(user);
}

export const refreshFailed = (problem) => setText($('find-error'), problem.message);
export const refreshed = () => {
  if (shown !== null) setText($('find-error'), '');
};

async function close() {
  const user = shown;
  const text = 'All of them, on every node, with 4010. Well-behaved clients do not come back by themselves after that.';
  if (!(await confirmed(`Close the sessions of ${user}?`, text, 'Close them'))) return;
  const { closed } = await api.closeSessions(user);
  setText($('closed'), closed === 0 ? 'There was no session to close.' : `${plural(closed, 'session was', 'sessions were')} told to close.`);
  await refresh();
}

async function revoke() {
  const user = shown;
  const text = 'No node believes a token any more that POST /api/v1/login has given it; its sessions are closed with 4001. Tokens of its app are the app\'s own matter.';
  if (!(await confirmed(`Revoke the tokens of ${user}?`, text, 'Revoke them'))) return;
  const { closed } = await api.revokeTokens(user);
  setText($('closed'), `Its tokens are revoked, ${plural(closed, 'session was', 'sessions were')} told to close.`);
  await refresh();
}

const WAITS = {
  absent: 'until its recipient fetches it',
  behind: 'until a session of its recipient has caught up',
  fault: 'until a fault between the nodes has ended',
  forward: 'until there is a way to its domain',
};

async function track() {
  setText($('tracked'), '');
  const { state, path, reason, to } = await api.findMessage($('message').value.trim());
  const where = {
    pending: 'In memory, on its way.',
    delivered: 'Delivered a moment ago.',
    stored: `In the store, ${WAITS[reason] ?? reason}${to ? `, ${to}` : ''}.`,
  };
  setText($('tracked'), `${where[state] ?? state} Its way: ${path.join(' → ')}.`);
}

const SENT = {
  delivered: 'Delivered',
  stored: 'Stored: it is safe, and delivered as soon as its recipient takes it',
  forwarded: 'Handed to the next domain, which answers for it',
  dropped: 'Dropped: it was FAST, and nobody was there',
};

async function send() {
  const { content } = contentOf($('content-text').value);
  const message = { to: $('to').value.trim(), content, feature: $('feature').value };
  const from = $('from').value.trim();
  if (from) message.from = from;
  setText($('sent'), '');
  const { id, state } = await api.send(message);
  $('message').value = id;
  setText($('sent'), `${SENT[state] ?? state}. Message ${id}, at ${time(Date.now())}.`);
}

// Says while it is typed as what a content is sent.
export function tellKind(field, hint) {
  field.addEventListener('input', () => {
    const text = field.value;
    setText(hint, text === '' ? 'JSON, or text.' : `Is sent as ${contentOf(text).kind}.`);
  });
}

export function prepare() {
  $('find').addEventListener('submit', (event) => {
    event.preventDefault();
    void find($('user').value.trim());
  });
  $('close').addEventListener('click', () => void attempt($('close'), $('close-error'), close));
  $('send').addEventListener('submit', (event) => {
    event.preventDefault();
    void attempt($('send'), $('send-error'), send);
  });
  $('revoke').addEventListener('click', () => void attempt($('revoke'), $('close-error'), revoke));
  $('track').addEventListener('submit', (event) => {
    event.preventDefault();
    void attempt($('track'), $('track-error'), track);
  });
  tellKind($('content-text'), $('content-kind'));
}
