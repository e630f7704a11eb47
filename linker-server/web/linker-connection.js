// One logged-in WebSocket that comes back by itself. Part of linker-client.js.

import { LinkerError, defer, now } from './linker-outbox.js';

const FINAL_CLOSE = new Map([[4003, 'AUTH_FAILED'], [4009, 'REPLACED'], [4010, 'CLOSED_BY_MASTER']]);
const STABLE_MS = 5_000; // a session that lived this long starts the backoff anew
const REDIRECTS_MAX = 5; // WRONG_DOMAIN answers followed in a row
const HOME_TRIES = 3; // at home, in a row and in vain, before asking again where that is
const HOME_URLS_MAX = 16; // of one WRONG_DOMAIN

/**
 * Where to connect: at the url first given or, once a WRONG_DOMAIN has told the urls of the user's home, at those in turn.
 * Where nobody answers at home for several tries, the first url gets one, as it may know a newer home; then home again.
 */
class Home {
  #first; #settledAt;
  #urls = []; #index = 0; #failures = 0; #redirects = 0;

  constructor(first) {
    this.#first = this.#settledAt = first;
  }

  get #tries() { return this.#urls.length > 0 ? Math.max(HOME_TRIES, this.#urls.length) : 0; }
  get isFirst() { return this.#failures === this.#tries; }
  get url() { return this.isFirst ? this.#first : this.#urls[(this.#index + this.#failures) % this.#urls.length]; }

  /** Whether to go to these: not after too many redirects in a row. */
  follow(urls) {
    this.#redirects += 1;
    if (this.#redirects > REDIRECTS_MAX) return false;
    this.#urls = urls;
    this.#index = this.#failures = 0;
    return true;
  }

  /** Logged in here, which is home until told otherwise. Gives the url of the login before, where that was another. */
  settle() {
    const { url } = this;
    const before = this.#settledAt;
    if (this.isFirst) this.forget();
    else this.#index = this.#urls.indexOf(url);
    this.#settledAt = url;
    this.#failures = this.#redirects = 0;
    return before === url ? undefined : before;
  }

  /** Nobody answers here. */
  fail() {
    this.#failures = (this.#failures + 1) % (this.#tries + 1);
    if (this.isFirst) this.#redirects = 0;
  }

  forget() {
    this.#urls = [];
    this.#index = this.#failures = this.#redirects = 0;
  }

  leave() {
    this.forget();
    this.#settledAt = this.#first;
  }
}

/** Where a refusal says to go, as far as this page may: browsers let a page of https open wss only. */
function urlsToFollow({ code, urls }, { followDomain, location }) {
  if (!followDomain || code !== 'WRONG_DOMAIN' || !Array.isArray(urls)) return [];
  const allowed = location?.protocol === 'https:' ? /^wss:/i : /^wss?:/i;
  return urls.filter((url) => allowed.test(url)).slice(0, HOME_URLS_MAX);
}

/**
 * Dials, logs in, pings and retries. What happens is told through `hooks`:
 * onState(state), onOpen(), onReady(reply, movedFrom), onText(text), onWrite(text), onTooLarge(entry), onDown(close).
 */
export class Connection {
  #options; #hooks; #credentials; #socket; #opened; #loggedIn; #renewal; #refusal; #reply; #largest;
  #state = 'idle';
  #home; #attempt = 0;
  #readyAt = 0; #heardAt = 0; #rttMs; #pings = [];
  #timers = {};

  constructor(options, hooks) {
    this.#options = options;
    this.#hooks = hooks;
    this.#home = new Home(options.url);
  }

  get state() { return this.#state; }
  get url() { return this.#home.url; }
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
      if (this.#home.isFirst) this.#end(new LinkerError('INVALID_URL', message), 1006, message);
      else this.#lost(1006, message);
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
    const movedFrom = this.#home.settle();
    this.#readyAt = now();
    this.#setState('ready');
    const { pingIntervalMs } = this.#options;
    if (pingIntervalMs > 0) this.#timers.beat = setInterval(() => this.#beat(), pingIntervalMs);
    this.#loggedIn?.resolve(this.#reply);
    this.#loggedIn = undefined;
    this.#hooks.onReady(this.#reply, movedFrom);
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
    const urls = urlsToFollow(error, this.#options);
    if (urls.length > 0 && this.#home.follow(urls)) return this.#retry(0, code, reason, error);
    const comesBack = urls.length > 0 ? this.#inCircles(error) : this.#heals(code, error);
    if (!this.#options.reconnect || !comesBack) return this.#end(error, code, reason);
    if (!wasReady && !this.#refusal) this.#home.fail();
    const { minDelayMs, maxDelayMs } = this.#options;
    const ceiling = Math.min(maxDelayMs, minDelayMs * 2 ** this.#attempt);
    this.#attempt += 1;
    return this.#retry(ceiling / 2 + (Math.random() * ceiling) / 2, code, reason, error);
  }

  /** The domains do not agree where this user lives; one who has been logged in waits until they do. */
  #inCircles(error) {
    this.#home.forget();
    this.#loggedIn?.reject(error);
    this.#loggedIn = undefined;
    return this.#reply !== undefined;
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
    this.#opened = this.#loggedIn = this.#reply = undefined;
    this.#home.leave();
    this.#attempt = 0;
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
