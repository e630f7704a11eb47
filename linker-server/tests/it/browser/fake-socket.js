// A WebSocket whose server is the test, and a few ways to wait and to compare. Part of linker-client-tests.js.

export const sockets = [];

/** Looks like a WebSocket; the test is the server behind it. */
export class FakeSocket {
  bufferedAmount = 0;
  sent = [];
  #listeners = {};

  constructor(url) {
    if (!url.startsWith('ws')) throw new SyntaxError(`${url} is no WebSocket url`);
    this.url = url;
    sockets.push(this);
  }

  addEventListener(type, listener) { (this.#listeners[type] ??= []).push(listener); }
  #tell(type, event) { for (const listener of this.#listeners[type] ?? []) listener(event); }
  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.closed = true; }

  opens() { this.#tell('open', {}); }
  gives(frame) { this.#tell('message', { data: typeof frame === 'string' ? frame : JSON.stringify(frame) }); }
  ends(code, reason = '') { this.#tell('close', { code, reason }); }

  async wasSent(type, count = 1) {
    await until(() => this.sent.filter((frame) => frame.type === type).length >= count, `${count} ${type}`);
    return this.sent.filter((frame) => frame.type === type);
  }

  async admits(reply = {}) {
    this.opens();
    const [{ data }] = await this.wasSent('AUTH_CLIENT');
    this.gives({ type: 'AUTH_CLIENT_REPLY', data: { appId: data.appId, userId: data.userId, isAuthenticated: true, ...reply } });
  }

  async refuses(error, more = {}) {
    this.opens();
    await this.wasSent('AUTH_CLIENT');
    this.gives({ type: 'AUTH_CLIENT_REPLY', data: { isAuthenticated: false, error, ...more } });
    this.ends(4003);
  }
}

export async function until(condition, what) {
  const deadline = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 1); });
  }
}

export async function within(limitMs, promise) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`not done after ${limitMs} ms`)), limitMs); });
  try {
    await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export async function nthSocket(count) {
  await until(() => sockets.length >= count, `socket ${count}`);
  return sockets[count - 1];
}

export function equal(actual, expected, what = 'value') {
  const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== e) throw new Error(`${what}: ${a} instead of ${e}`);
}

export async function rejects(promise, code) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    equal(error.code, code, error.message);
    return error;
  }
  throw new Error(`${JSON.stringify(value)} instead of a rejection with ${code}`);
}
