// The node's API, with the token of whoever signed in.

// Longer than a node waits for the others.
const PATIENCE_MS = 10_000;
const KEPT_AS = 'linker.console.token';

let token = sessionStorage.getItem(KEPT_AS) ?? '';

// An answer that is none of success, or none at all (`status` 0).
export class ApiError extends Error {
  constructor(status, message, problem = {}) {
    super(message);
    this.status = status;
    this.problem = problem;
  }
}

export const hasToken = () => token !== '';

export function setToken(given) {
  token = given;
  if (given) sessionStorage.setItem(KEPT_AS, given);
  else sessionStorage.removeItem(KEPT_AS);
}

async function answer(method, path, { body, headers = {} } = {}) {
  const all = { ...headers };
  if (token) all.Authorization = `Bearer ${token}`;
  if (method === 'POST') all['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: all,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: 'no-store',
      credentials: 'omit',
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch {
    throw new ApiError(0, 'The node does not answer.');
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new ApiError(response.status, sentence(response.status, problem), problem);
}

function sentence(status, problem) {
  const detail = typeof problem.detail === 'string' ? problem.detail : '';
  if (status === 401) return 'The node does not know this token.';
  if (status === 421) {
    const urls = Array.isArray(problem.urls) ? problem.urls.join(', ') : '';
    return `${problem.domain} has this user: ask a node there${urls && ` (${urls})`}.`;
  }
  return detail ? `${detail[0].toUpperCase()}${detail.slice(1)}.` : `The node answers with ${status}.`;
}

async function json(method, path, options) {
  const response = await answer(method, path, options);
  try {
    return await response.json();
  } catch {
    throw new ApiError(0, 'The node does not answer.');
  }
}

const user = (id) => `api/v1/users/${encodeURIComponent(id)}`;
const push = (id) => `api/v1/pushes/${encodeURIComponent(id)}`;

export const whoami = () => json('GET', 'api/v1/whoami');
export const nodes = () => json('GET', 'api/v1/nodes');
export const domains = () => json('GET', 'api/v1/domains');
export const slowConsumers = () => json('GET', 'api/v1/slow-consumers');
export const findUser = (id) => json('GET', user(id));
export const closeSessions = (id) => json('DELETE', `${user(id)}/sessions`);
export const revokeTokens = (id) => json('DELETE', `${user(id)}/tokens`);
export const findMessage = (id) => json('GET', `api/v1/messages/${encodeURIComponent(id)}`);
export const send = (message) => json('POST', 'api/v1/messages', { body: message });
export const pushReport = (id) => json('GET', push(id));
export const retryPush = (id) => json('POST', `${push(id)}/retry`, { body: {} });
export const makePush = (body, key) => json('POST', 'api/v1/pushes', { body, headers: { 'Idempotency-Key': key } });

// The pushes of the last day, unless there are more than `max`.
export async function pushes(max) {
  const all = [];
  for (let after = ''; all.length < max;) {
    const page = await json('GET', `api/v1/pushes?limit=500&after=${encodeURIComponent(after)}`);
    all.push(...page);
    if (page.length < 500) break;
    after = page[page.length - 1].pushId;
  }
  return all;
}

export async function undelivered(id) {
  const response = await answer('GET', `${push(id)}/undelivered`);
  return response.blob();
}

// What this node says of itself to anybody. 503 is an answer too.
export async function health() {
  try {
    const response = await fetch('health/ready', { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) });
    return await response.json();
  } catch {
    throw new ApiError(0, 'The node does not answer.');
  }
}
