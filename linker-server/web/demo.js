// The demo page: forms in, linker-client.js in the middle, messages and raw frames out.

import { LinkerClient } from './linker-client.js';

const MASTER = 'ANZ-123223';
const PING_EVERY_MS = 10_000;
const ROWS_MAX = 500;

const $ = (id) => document.getElementById(id);
const milliseconds = (value) => (value < 10 ? `${value.toFixed(1)} ms` : value < 10_000 ? `${Math.round(value)} ms` : `${Math.round(value / 1000)} s`);
const clock = (at) => `${at.toLocaleTimeString('en-GB')}.${String(at.getMilliseconds()).padStart(3, '0')}`;
const show = (content) => (typeof content === 'string' ? content : JSON.stringify(content));

let client;
let lastFrame; // the row that the client's next event is about
const outgoing = new Map(); // reference → the state shown beside the message
const users = new Set();

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Adds a row at the end of a bounded list, and keeps the end in sight if it was, or if the reader made the row. */
function append(list, row, own = false) {
  const view = list.parentElement;
  const atEnd = own || view.scrollHeight - view.scrollTop - view.clientHeight < 40;
  list.append(row);
  while (list.childElementCount > ROWS_MAX) list.firstElementChild.remove();
  if (atEnd) view.scrollTop = view.scrollHeight;
}

// -- what is shown ---------------------------------------------------------------------------------------------------

function frameRow(kind, arrow, label, text) {
  const now = new Date();
  const row = element('li', { className: kind },
    element('time', { dateTime: now.toISOString(), textContent: clock(now) }),
    element('span', { className: 'arrow', role: 'img', ariaLabel: label, textContent: arrow }),
    element('span', { className: 'text', textContent: text }));
  append($('frames'), row);
  return row;
}

function showFrame({ direction, text }) {
  const heartbeat = /"type":\s*"P[IO]NG"/.test(text.slice(0, 40)) ? ' heartbeat' : '';
  lastFrame = direction === 'in' ? frameRow(`in${heartbeat}`, '↓', 'in', text) : frameRow(`out${heartbeat}`, '↑', 'out', text);
}

const showEvent = (text) => { frameRow('event', '·', 'event', text); };

const noteOnFrame = (text) => { lastFrame?.append(element('span', { className: 'note', textContent: text })); };

function notice(text) {
  $('notice').hidden = !text;
  $('notice-text').textContent = text;
}

function messageRow({ kind, label, user, details, content, state, actions = [] }) {
  const who = element('span', { className: 'who' }, label, element('b', { textContent: user }),
    ...details.filter(Boolean).map((detail) => ` · ${detail}`));
  const row = element('li', { className: kind }, who, state, element('span', { className: 'content', textContent: show(content) }));
  if (actions.length > 0) row.append(element('span', { className: 'actions' }, ...actions));
  append($('messages'), row, kind === 'out');
}

function setMessageState(reference, name, text) {
  const shown = outgoing.get(reference);
  if (!shown || shown.dataset.state === 'read') return;
  shown.dataset.state = name;
  shown.textContent = text;
}

function showOutgoing({ to, content, feature, reference }) {
  const state = element('span', { className: 'state', textContent: client.state === 'ready' ? 'sent' : 'waits for the connection' });
  messageRow({ kind: 'out', label: 'You to ', user: to, details: [feature, reference], content, state });
  outgoing.set(reference, state);
  if (outgoing.size > ROWS_MAX) outgoing.delete(outgoing.keys().next().value);
}

function showIncoming({ from, content, reference, feature, timestamp }) {
  const at = timestamp ? new Date(timestamp) : new Date();
  const reply = element('button', { type: 'button', className: 'quiet', textContent: 'Reply' });
  reply.addEventListener('click', () => {
    $('to').value = from;
    $('content').focus();
  });
  const actions = [reply];
  if (reference) {
    const read = element('button', { type: 'button', className: 'quiet', textContent: 'Mark read' });
    read.addEventListener('click', () => attempt(async () => {
      await client.markRead(from, reference);
      read.replaceWith(element('span', { className: 'hint', textContent: 'Read receipt sent' }));
      reply.focus();
    }));
    actions.push(read);
  }
  const state = element('span', { className: 'state', textContent: clock(at) });
  messageRow({ kind: 'in', label: 'From ', user: from, details: [feature, reference], content, state, actions });
  if (!$('to').value) $('to').value = from;
}

function showUsers() {
  $('users').replaceChildren(...[...users].sort().map((userId) => {
    const button = element('button', { type: 'button', textContent: userId, ariaLabel: `Close the connection of ${userId}` });
    button.addEventListener('click', () => {
      $('close-user').value = userId;
      $('close-user').focus();
    });
    return element('li', {}, button);
  }));
}

/** Said of every server but the page's own: after a move, or when another one was typed in. */
function whereabouts(url) {
  const { host } = new URL(url, location.href);
  return host === location.host ? '' : ` at ${host}`;
}

function showState(text) {
  const { state = 'idle', userId, url } = client ?? {};
  const words = {
    idle: 'Not connected',
    connecting: `Connecting to ${url}`,
    open: 'Connected; log in within ten seconds',
    authenticating: `Logging in as ${userId}`,
    ready: `Logged in as ${userId}${url ? whereabouts(url) : ''}`,
    waiting: 'Waiting for the next try',
    closed: 'Not connected',
  };
  $('status').dataset.state = state;
  $('status').textContent = text ?? words[state];
  document.title = state === 'ready' ? `${userId} · Linker` : 'Linker';
  const ended = state === 'idle' || state === 'closed';
  $('connect').disabled = !ended;
  $('login-button').disabled = state === 'ready' || state === 'authenticating';
  $('disconnect').disabled = ended;
  if (state !== 'ready') $('rtt').textContent = '–';
}

function setMissed(count) { $('missed').textContent = count ?? '–'; }

// -- the client ------------------------------------------------------------------------------------------------------

function follow(made) {
  made.on('state', () => showState());
  made.on('frame', showFrame);
  made.on('open', ({ url }) => showEvent(`Connected to ${url}`));
  made.on('moved', ({ url, from }) => {
    $('url').value = url;
    showEvent(`Moved from ${from} to ${url}`);
  });
  made.on('login', ({ missing }) => {
    setMissed(missing);
    made.ping().catch(() => {});
  });
  made.on('close', ({ code, reason, error, willReconnect, retryInMs }) => {
    const why = `${code}${reason ? `, ${reason}` : ''}`;
    const next = retryInMs === 0 ? `going home to ${made.url}` : `next try in ${milliseconds(retryInMs)}`;
    showEvent(willReconnect ? `Connection ended (${why}); ${next}` : `Connection ended (${why})`);
    users.clear();
    showUsers();
    if (willReconnect) showState(`Connection lost (${code}); ${next}`);
    else if (error.code !== 'CLOSED') notice(`${error.code}: ${error.message}`);
  });
  made.on('message', showIncoming);
  made.on('accepted', ({ reference, elapsedMs }) => {
    if (elapsedMs === undefined) return;
    noteOnFrame(`accepted in ${milliseconds(elapsedMs)}`);
    setMessageState(reference, 'accepted', `accepted in ${milliseconds(elapsedMs)}`);
  });
  made.on('confirmation', ({ reference, elapsedMs }) => {
    if (elapsedMs === undefined) return;
    noteOnFrame(`delivered in ${milliseconds(elapsedMs)}`);
    $('delivery').textContent = milliseconds(elapsedMs);
    setMessageState(reference, 'confirmed', `delivered in ${milliseconds(elapsedMs)}`);
  });
  made.on('read', ({ from, reference }) => setMessageState(reference, 'read', `read by ${from}`));
  made.on('userConnected', ({ userId }) => { users.add(userId); showUsers(); });
  made.on('userDisconnected', ({ userId }) => { users.delete(userId); showUsers(); });
  made.on('fetched', ({ leftMissingCount }) => setMissed(leftMissingCount));
  made.on('duplicate', () => noteOnFrame('repeated, dropped'));
  made.on('pong', ({ rttMs }) => {
    if (rttMs === undefined) return;
    noteOnFrame(milliseconds(rttMs));
    $('rtt').textContent = milliseconds(rttMs);
  });
  made.on('error', ({ code, message }) => notice(`${code}: ${message}`));
}

function freshClient() {
  if (client && !['idle', 'closed'].includes(client.state)) return client;
  client = new LinkerClient({
    url: $('url').value.trim(),
    ack: $('ack').value,
    accepted: $('accepted').checked,
    replay: $('replay').checked,
    pingIntervalMs: PING_EVERY_MS,
  });
  follow(client);
  return client;
}

function loggedInClient() {
  if (!client || ['idle', 'open', 'closed'].includes(client.state)) throw new Error('Log in first.');
  return client;
}

/** Runs what a control asked for; what goes wrong is told in the notice. */
async function attempt(action) {
  notice('');
  try {
    await action();
  } catch (error) {
    if (error.code !== 'CLOSED') notice(error.code ? `${error.code}: ${error.message}` : error.message);
  }
}

// -- the forms -------------------------------------------------------------------------------------------------------

const onSubmit = (form, action) => $(form).addEventListener('submit', (event) => {
  event.preventDefault();
  attempt(action);
});

function setUser(userId) {
  $('user').value = userId;
  $('second').href = `./?to=${encodeURIComponent(userId)}`;
  try {
    sessionStorage.setItem('user', userId);
  } catch {
    // without storage a reload is a new random user
  }
}

const randomUser = () => `ANZ-${1 + Math.floor(Math.random() * 999_999)}`;

function rememberedUser() {
  try {
    return sessionStorage.getItem('user');
  } catch {
    return null;
  }
}

onSubmit('login', async () => {
  setUser($('user').value.trim());
  const token = $('token').value || undefined;
  await freshClient().login({ appId: $('app').value.trim(), userId: $('user').value, token });
  if (matchMedia('(pointer: fine)').matches) $($('to').value ? 'content' : 'to').focus();
});

function parseContent(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('The content is not JSON.');
  }
}

onSubmit('send', async () => {
  const sender = loggedInClient();
  const [text, feature] = [$('content').value, $('feature').value];
  const content = $('json').checked ? parseContent(text) : text;
  const reference = $('reference').value || `demo-${Math.random().toString(36).slice(2, 10)}`;
  const message = { to: $('to').value.trim(), content, feature, reference };
  if (!$('confirm').checked) message.confirmationEnabled = false;
  else message.until = 'confirmed';
  showOutgoing(message);
  $('content').value = $('reference').value = '';
  $('content').focus();
  try {
    const { sends, state, elapsedMs } = await sender.send(message);
    if (sends > 1 && state === 'confirmed') setMessageState(reference, state, `delivered in ${milliseconds(elapsedMs)}, sent ${sends} times`);
  } catch (error) {
    setMessageState(reference, 'refused', error.code);
    throw error;
  }
});

onSubmit('group', async () => {
  const to = $('group-to').value.split(/[\s,;]+/).filter(Boolean);
  await loggedInClient().sendGroup({ to, content: $('group-content').value });
  $('group-content').value = '';
});

onSubmit('fetch', async () => {
  const { messages, leftMissingCount } = await loggedInClient().fetchMissing(Number($('count').value));
  showEvent(`Fetched ${messages.length} messages; ${leftMissingCount} left, events included`);
});

onSubmit('close', async () => {
  const userId = $('close-user').value.trim();
  await loggedInClient().closeConnection(userId);
  showEvent(`${userId} is disconnected`);
});

$('connect').addEventListener('click', () => attempt(() => freshClient().connect()));
$('disconnect').addEventListener('click', () => client.close());
$('random').addEventListener('click', () => setUser(randomUser()));
$('master').addEventListener('click', () => setUser(MASTER));
$('user').addEventListener('change', () => setUser($('user').value.trim()));
$('notice-close').addEventListener('click', () => notice(''));
$('clear-messages').addEventListener('click', () => $('messages').replaceChildren());
$('clear-frames').addEventListener('click', () => $('frames').replaceChildren());
$('heartbeats').addEventListener('change', () => $('frames').classList.toggle('no-heartbeats', !$('heartbeats').checked));
$('content').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $('send').requestSubmit();
});

const asked = new URLSearchParams(location.search);
$('url').value = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`;
$('to').value = asked.get('to') ?? '';
setUser(asked.get('user') ?? rememberedUser() ?? randomUser());
showState();
