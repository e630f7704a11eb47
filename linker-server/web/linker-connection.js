// One logged-in WebSocket that comes back by itself. Part of linker-client.js.

import { LinkerError, defer, now } from './linker-outbox.js';

const FINAL_CLOSE = new Map([[4003, 'AUTH_FAILED'], [4009, 'REPLACED'], [4010, 'CLOSED_BY_MASTER']]);
const STABLE_MS = 5_000; // a session that lived this long starts the backoff anew
const HOPS_MAX = 4; // WRONG_DOMAIN answers followed without a pause

/**
 * Dials, logs in, pings and retries. What happens is told through `hooks`:
 * onState(state), onOpen(), onReady(reply), onText(text), onWrite(text), onTooLarge(entry), onDown(close).
 */
export class Connection {
  #options; #hooks; #credentials; #socket; #opened; #loggedIn; #renewal; #refusal; #reply; #largest;
  #state = 'idle';
  #home = []; #homeIndex = 0; #hops = 0; #attempt = 0;
  #readyAt = 0; #heardAt = 0; #rttMs; #pings = [];
  #timers = {};

  constructor(options, hooks) {
    this.#options = options;
    this.#hooks = hooks;
  }

  get state() { return this.#state; }
  get url() { return this.#home[this.#homeIndex] ?? this.#options.url; }
  get credentials() { return this.#credentials; }
  get rttMs() { return this.#rttMs; }
  get bufferedAmount() { return this.#socket?.bufferedAmount ?? 0; }
  get #resting() { return ['idle', 'closed', 'waiting'].includes(this.#state); }

  async connect() {
    if (['open', 'authenticating', 'ready'].includes(this.#state)) return;
    this.#opened ??= defer();
    const opened = this.#opened.promise;
    if (this.#resting) this.#dial();
    await opened;
  }

  async login(credentials) {
    const wanted = { ...this.#credentials, ...credentials };
    const same = ['appId', 'userId'].every((field) => wanted[field] === this.#credentials?.[field]);
    if (!same && ['authenticating', 'ready'].includes(this.#state)) {
      throw new LinkerError('ALREADY_AUTHENTICATED', `close() first: this client is ${this.#credentials.userId}`);
    }
    this.#credentials = wanted;
    if (this.#state === 'ready') return await this.#renew();
    this.#loggedIn ??= defer();
    const loggedIn = this.#loggedIn.promise;
    if (this.#resting) this.#dial();
    else if (this.#state === 'open') this.#authenticate();
    return await loggedIn;
  }

  close(code, reason) {
    if (this.#state === 'idle' || this.#state === 'closed') return;
    this.#detach()?.close(code, reason);
    this.#end(new LinkerError('CLOSED', 'closed by close()'), code, reason);
  }

  requireReady() {
    if (this.#state !== 'ready') throw new LinkerError('NOT_CONNECTED', 'not logged in at the moment');
  }

  /** Logged in, or on the way to it without further help. */
  requireLogin() {
    if (!this.#credentials || ['idle', 'closed'].includes(this.#state)) throw new LinkerError('NOT_CONNECTED', 'not logged in');
  }

  write(frame) { this.#writeText(JSON.stringify(frame)); }

  writeEntry(entry) {
    this.#writeText(entry.text, entry);
    entry.written();
  }

  async ping() {
    this.requireReady();
    const ping = { at: now(), deferred: defer() };
    this.#pings.push(ping);
    this.write({ type: 'PING' });
    return await ping.deferred.promise;
  }

  /** The round trip that this PONG ends, in milliseconds. */
  pong() {
    const ping = this.#pings.shift();
    if (!ping) return undefined;
    this.#rttMs = now() - ping.at;
    ping.deferred.resolve(this.#rttMs);
    return this.#rttMs;
  }

  reply(data) {
    const refused = { code: 'AUTH_FAILED', message: 'the login was refused', ...data.error };
    const error = data.isAuthenticated ? undefined : new LinkerError(refused.code, refused.message, { urls: data.urls });
    if (this.#state === 'ready') this.#settleRenewal(error);
    else if (error) this.#refusal = error; // the server closes now, and #lost decides
    else this.#becomeReady(data);
  }

  /** An ERROR without a reference: it may be the answer to an AUTH_CLIENT. */
  failure(error) {
    if (this.#state === 'authenticating') {
      this.#refusal = error;
      this.#abandon(error.message);
    } else if (error.code === 'ALREADY_AUTHENTICATED') {
      this.#settleRenewal(error);
    }
  }

  #writeText(text, entry) {
    const bytes = entry?.bytes ?? text.length;
    if (bytes > (this.#largest?.bytes ?? 0)) this.#largest = { bytes, entry };
    this.#hooks.onWrite(text);
    this.#socket.send(text);
  }

  #dial() {
    clearTimeout(this.#timers.retry);
    this.#refusal = this.#largest = undefined;
    this.#setState('connecting');
    let socket;
    try {
      socket = new this.#options.WebSocket(this.url);
    } catch ({ message }) {
      if (this.#home.length) this.#lost(1006, message);
      else this.#end(new LinkerError('INVALID_URL', message), 1006, message);
      return;
    }
    this.#socket = socket;
    const whileCurrent = (act) => (event) => { if (socket === this.#socket) act(event); };
    socket.addEventListener('open', whileCurrent(() => this.#onOpen()));
    socket.addEventListener('message', whileCurrent(({ data }) => this.#onData(data)));
    socket.addEventListener('close', whileCurrent(({ code, reason }) => this.#lost(code, reason)));
    socket.addEventListener('error', () => {}); // a close follows
    this.#timers.deadline = setTimeout(() => this.#abandon('no answer in time'), this.#options.loginTimeoutMs);
  }

  #onOpen() {
    this.#setState('open');
    this.#hooks.onOpen();
    this.#opened?.resolve();
    this.#opened = undefined;
    if (this.#credentials) this.#authenticate();
    else clearTimeout(this.#timers.deadline);
  }

  #onData(text) {
    if (typeof text !== 'string') return;
    this.#heardAt = now();
    this.#hooks.onText(text);
  }

  async #authenticate() {
    const socket = this.#socket;
    this.#setState('authenticating');
    try {
      const frame = await this.#authFrame();
      if (socket === this.#socket) this.write(frame);
    } catch ({ message }) {
      if (socket === this.#socket) this.#abandon(`no token: ${message}`);
    }
  }

  async #authFrame() {
    const { appId, userId, token } = this.#credentials;
    const { ack, accepted, replay } = this.#options;
    const given = typeof token === 'function' ? await token() : token;
    return { type: 'AUTH_CLIENT', data: { appId, userId, token: given, options: { ack, accepted, replay } } };
  }

  async #renew() {
    this.#renewal ??= defer();
    const renewal = this.#renewal.promise;
    const frame = await this.#authFrame();
    this.requireReady();
    this.write(frame);
    return await renewal;
  }

  #settleRenewal(error) {
    if (error) this.#renewal?.reject(error);
    else this.#renewal?.resolve(this.#reply);
    this.#renewal = undefined;
  }

  #becomeReady({ appId, userId, missing }) {
    clearTimeout(this.#timers.deadline);
    this.#reply = { appId, userId, missing };
    this.#hops = 0;
    this.#readyAt = now();
    this.#setState('ready');
    const { pingIntervalMs } = this.#options;
    if (pingIntervalMs > 0) this.#timers.beat = setInterval(() => this.#beat(), pingIntervalMs);
    this.#loggedIn?.resolve(this.#reply);
    this.#loggedIn = undefined;
    this.#hooks.onReady(this.#reply);
  }

  #beat() {
    const oldest = this.#pings[0];
    const silentMs = oldest ? now() - Math.max(oldest.at, this.#heardAt) : 0;
    if (silentMs > this.#options.pingTimeoutMs) this.#abandon('no answer to PING');
    else this.ping().catch(() => {}); // whoever closes the connection tells why
  }

  /** Gives a socket up without waiting for a closing handshake that a dead peer will never finish. */
  #abandon(reason) {
    this.#detach()?.close();
    this.#lost(1006, reason);
  }

  #detach() {
    const socket = this.#socket;
    this.#socket = undefined;
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers = {};
    return socket;
  }

  #lost(code, reason) {
    this.#detach();
    const wasReady = this.#state === 'ready';
    const error = this.#refusal ?? closeError(code, reason);
    if (code === 1009 && this.#largest?.entry) this.#hooks.onTooLarge(this.#largest.entry);
    if (wasReady && now() - this.#readyAt > STABLE_MS) this.#attempt = 0;
    const elsewhere = error.code === 'WRONG_DOMAIN' && error.urls?.length > 0;
    if (elsewhere) {
      this.#home = error.urls;
      this.#homeIndex = 0;
      this.#hops += 1;
      if (this.#hops <= HOPS_MAX) return this.#retry(0, code, reason, error);
    }
    if (!this.#options.reconnect || !(elsewhere || this.#heals(code, error))) return this.#end(error, code, reason);
    if (this.#home.length && !elsewhere && !wasReady && ++this.#homeIndex >= this.#home.length) {
      this.#home = []; // none of them answers: ask again where to go
      this.#homeIndex = 0;
    }
    const { minDelayMs, maxDelayMs } = this.#options;
    const ceiling = Math.min(maxDelayMs, minDelayMs * 2 ** this.#attempt);
    this.#attempt += 1;
    this.#hops = 0;
    return this.#retry(ceiling / 2 + (Math.random() * ceiling) / 2, code, reason, error);
  }

  #heals(code, error) {
    if (this.#refusal) return error.retryable;
    return !FINAL_CLOSE.has(code) && !(code === 4001 && !this.#credentials);
  }

  #retry(delayMs, code, reason, error) {
    this.#forgetSession(error);
    this.#setState('waiting');
    this.#timers.retry = setTimeout(() => this.#dial(), delayMs);
    this.#hooks.onDown({ code, reason, error, willReconnect: true, retryInMs: delayMs });
  }

  #end(error, code, reason) {
    this.#detach();
    this.#forgetSession(error);
    this.#opened?.reject(error);
    this.#loggedIn?.reject(error);
    this.#opened = this.#loggedIn = undefined;
    this.#home = [];
    this.#homeIndex = this.#attempt = this.#hops = 0;
    this.#setState('closed');
    this.#hooks.onDown({ code, reason, error, willReconnect: false });
  }

  #forgetSession(error) {
    for (const ping of this.#pings.splice(0)) ping.deferred.reject(error);
    this.#settleRenewal(error);
    this.#rttMs = undefined;
  }

  #setState(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.#hooks.onState(state);
  }
}

function closeError(code, reason) {
  const known = FINAL_CLOSE.get(code) ?? (code === 4001 ? 'NOT_AUTHENTICATED' : 'CONNECTION_LOST');
  return new LinkerError(known, reason || `the connection ended with ${code}`, { closeCode: code });
}
