// The console: asks the node every two seconds while somebody looks, and shows what it says.

import * as api from './api.js';
import { $, element, setText } from './dom.js';
import * as figures from './figures.js';
import { time } from './format.js';
import * as links from './links.js';
import * as nodes from './nodes.js';
import * as pushes from './pushes.js';
import * as slow from './slow.js';
import * as users from './users.js';
import { problems, problemsOfHealth, sentence } from './wrong.js';

const EVERY_MS = 2000;
// So long a node that is gone is remembered.
const GONE_MS = 10 * 60_000;
const CAUSES_MAX = 4;

const SCOPES = ['read', 'send', 'admin'];
const MAY_NOT = {
  read: 'This token may not look at anything: it does not have the scope read.',
  send: 'This token may not send: it does not have the scope send.',
  admin: 'This token may not close sessions or revoke tokens: it does not have the scope admin.',
};

// Who answers and what the token may; null while that is not known.
let me = null;
let isRefused = false;
let lostSince = null;
const lastSeen = new Map();
const gone = new Map();
let timer;
let asking = false;

function may() {
  const scopes = me?.scopes ?? [];
  return Object.fromEntries(SCOPES.map((scope) => [scope, scopes.includes(scope) || scopes.includes('admin')]));
}

function tell({ state, text, causes = [], news = text }) {
  const box = $('state');
  box.dataset.state = state;
  setText($('wrong'), text);
  document.title = state === 'bad' ? `✕ Linker console` : 'Linker console';
  if (box.dataset.causes !== causes.join('\n')) {
    box.dataset.causes = causes.join('\n');
    const told = causes.length > CAUSES_MAX ? [...causes.slice(0, CAUSES_MAX - 1), `and ${causes.length - CAUSES_MAX + 1} more`] : causes;
    $('causes').replaceChildren(...told.map((cause) => element('li', { textContent: cause })));
  }
  // The line is read out when something else is wrong, and not with every number in it.
  if (box.dataset.news !== news) {
    box.dataset.news = news;
    setText($('announced'), text);
  }
}

function applyScopes() {
  const scopes = may();
  document.body.dataset.signed = me ? 'in' : 'out';
  $('sign-in').hidden = !isRefused;
  $('sign-out').hidden = !api.hasToken();
  for (const part of document.querySelectorAll('[data-scope]')) {
    const allowed = scopes[part.dataset.scope];
    if (part.matches('fieldset, button')) part.disabled = !allowed;
    else part.hidden = !allowed;
  }
  for (const [id, scope] of [['read-reason', 'read'], ['send-reason', 'send'], ['push-reason', 'send'], ['close-reason', 'admin']]) {
    $(id).hidden = me === null || scopes[scope];
    setText($(id), MAY_NOT[scope]);
  }
  setText($('where'), me ? `${me.domain} · ${me.node}` : '');
}

function signedOut(reason) {
  const wasOpen = !$('sign-in').hidden;
  me = null;
  isRefused = true;
  pushes.forget();
  gone.clear();
  lastSeen.clear();
  applyScopes();
  setText($('sign-in-error'), reason);
  if (!wasOpen) $('token').focus();
}

// Nodes that are there no more, and did not answer before: one that stops as it should answers to the end.
function notice(all) {
  const now = Date.now();
  const here = new Set(all.map(({ name }) => name));
  for (const [name, answers] of lastSeen) {
    if (here.has(name)) continue;
    lastSeen.delete(name);
    if (!answers) gone.set(name, now);
  }
  for (const { name, answers } of all) {
    lastSeen.set(name, answers);
    gone.delete(name);
  }
  for (const [name, since] of gone) if (now - since > GONE_MS) gone.delete(name);
}

async function showDomain() {
  const [all, domains] = await Promise.all([api.nodes(), api.domains()]);
  notice(all);
  const found = problems({ nodes: all, domains, own: me.domain, gone });
  tell(sentence(found, 'Everything is well.'));
  figures.show(all);
  nodes.show(all, me.node);
  links.show(domains, me.domain);
  const isSlow = all.some((node) => node.slowConsumers > 0);
  slow.show(isSlow ? await api.slowConsumers() : { total: 0, sessions: [], silent: all.filter(({ answers }) => !answers).map(({ name }) => name) }, (id) => {
    void users.find(id);
    $('user').focus();
  });
}

// What may take long does so beside the rest.
const background = new Map();
function beside(name, refresh, failed, done = () => {}) {
  if (background.get(name)) return;
  background.set(name, true);
  refresh().then(done, failed).finally(() => background.set(name, false));
}

async function look() {
  if (!me && !isRefused) {
    me = await api.whoami();
    applyScopes();
  }
  if (me && may().read) {
    beside('users', users.refresh, users.refreshFailed, users.refreshed);
    beside('pushes', () => pushes.refresh(may()), pushes.refreshFailed);
    await showDomain();
  } else {
    const found = sentence(problemsOfHealth(await api.health()), 'This node is well.');
    tell(isRefused ? { ...found, text: `${found.text} Sign in to see more.` } : found);
  }
  lostSince = null;
}

function failed(problem) {
  if (problem.status === 401) {
    const isNews = api.hasToken();
    api.setToken('');
    signedOut(isNews ? 'The node does not know this token.' : '');
    return true;
  }
  if (problem.status === 0) {
    lostSince ??= Date.now();
    // It may come back as another version, with other tokens.
    if (me) me = { ...me, isStale: true };
    const text = `The node does not answer since ${time(lostSince)}. What is shown is from before; it is asked again every two seconds.`;
    tell({ state: 'bad', text, news: 'lost' });
  } else if (problem instanceof api.ApiError) {
    tell({ state: 'bad', text: problem.message });
  } else {
    tell({ state: 'bad', text: `The console has a fault of its own: ${problem.message}` });
    console.error(problem);
  }
  return false;
}

async function turn() {
  clearTimeout(timer);
  if (asking || document.hidden) return;
  asking = true;
  let again = false;
  try {
    if (me?.isStale) {
      me = await api.whoami();
      applyScopes();
    }
    await look();
  } catch (problem) {
    again = failed(problem);
  }
  asking = false;
  document.body.classList.toggle('lost', lostSince !== null);
  clearTimeout(timer);
  timer = setTimeout(turn, again ? 0 : EVERY_MS);
}

$('sign-in-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const given = $('token').value.trim();
  try {
    // Of others no header can be made.
    if (!/^[\x21-\x7e]+$/.test(given)) throw new api.ApiError(401, 'The node does not know this token.');
    api.setToken(given);
    me = await api.whoami();
  } catch (problem) {
    api.setToken('');
    setText($('sign-in-error'), problem.message);
    $('token').select();
    return;
  }
  isRefused = false;
  $('token').value = '';
  setText($('sign-in-error'), '');
  applyScopes();
  $('content').focus();
  await turn();
});

$('sign-out').addEventListener('click', () => {
  api.setToken('');
  me = null;
  // Where no token is needed one is signed in without it.
  isRefused = false;
  location.reload();
});

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void turn();
});

// What has the focus, or is gone to, is not to lie beneath the line.
new ResizeObserver(([{ target }]) => {
  document.documentElement.style.scrollPaddingTop = `${target.offsetHeight + 12}px`;
}).observe($('state'));

figures.prepare();
links.prepare();
users.prepare();
pushes.prepare();
applyScopes();
void turn();
