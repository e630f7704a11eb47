// Linker client: login, send, receive and reconnect over one WebSocket. No dependency, no build step.
// It imports its two neighbours linker-connection.js and linker-outbox.js.
// Types, and what every option, method and event means, are in linker-client.d.ts.

import { Connection } from './linker-connection.js';
import { LinkerError, Outbox, defer, messageEntry, newReference, now, onceEntry } from './linker-outbox.js';

export { LinkerError };

const DEFAULTS = {
  ack: 'transport', accepted: true, replay: false,
  reconnect: true, followDomain: true, minDelayMs: 500, maxDelayMs: 30_000, loginTimeoutMs: 15_000,
  pingIntervalMs: 25_000, pingTimeoutMs: 10_000, requestTimeoutMs: 10_000,
  maxFrameBytes: 65_536, maxBufferedBytes: 4_194_304, maxOutbox: 1_000, maxUnconfirmed: 10_000, maxSeen: 10_000,
};
const ACK_WINDOW_MS = 20;
const ACK_IDS_MAX = 500;

/** A repetition is known by sender and reference where there is one, else by id. */
function dedupeKey(frame, data) {
  if (frame.type === 'MESSAGE' && frame.reference != null) return JSON.stringify([data.from, frame.reference]);
  return typeof frame.id === 'string' ? frame.id : undefined;
}

export class LinkerClient {
  #options; #connection; #outbox;
  #listeners = new Map();
  #seen = new Map(); // dedupe key → promise of whether the listeners finished
  #requests = new Map();
  #ackIds = []; #ackedAt = -Infinity; #ackTimer;
  #fetches = []; #fetching = false; #replaying = false;

  constructor(options = {}) {
    this.#options = { WebSocket: globalThis.WebSocket, location: globalThis.location, ...DEFAULTS, ...options };
    if (typeof this.#options.WebSocket !== 'function') throw new TypeError('no WebSocket here: pass one as an option');
    if (!this.#options.url) {
      const { protocol, host } = this.#options.location ?? {};
      if (!host) throw new TypeError('outside a browser the option url is required');
      this.#options.url = `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/ws`;
    }
    this.#outbox = new Outbox(this.#options);
    this.#connection = new Connection(this.#options, {
      onState: (state) => this.#emit('state', { state }),
      onOpen: () => this.#emit('open', { url: this.url }),
      onReady: (reply, movedFrom) => this.#onReady(reply, movedFrom),
      onText: (text) => this.#onText(text),
      onWrite: (text) => this.#emit('frame', { direction: 'out', text }),
      onTooLarge: (entry) => this.#outbox.take(entry.key)?.refuse('TOO_LARGE', 'larger than the server takes'),
      onDown: (close) => this.#onDown(close),
    });
  }

  get state() { return this.#connection.state; }
  get url() { return this.#connection.url; }
  get userId() { return this.#connection.credentials?.userId; }
  get rttMs() { return this.#connection.rttMs; }
  get outboxSize() { return this.#outbox.size; }

  on(type, listener) {
    if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
    this.#listeners.get(type).add(listener);
    return () => this.off(type, listener);
  }

  off(type, listener) { this.#listeners.get(type)?.delete(listener); }

  connect() { return this.#connection.connect(); }

  login(credentials) { return this.#connection.login(credentials); }

  close(code = 1000, reason = '') {
    this.#flushAcks();
    this.#connection.close(code, reason);
  }

  async send(message) {
    return await this.#post(messageEntry('MESSAGE', { to: message.to }, message, this.#options.accepted));
  }

  async sendUpstream(message) {
    return await this.#post(messageEntry('UPSTREAM', { type: message.type }, message, this.#options.accepted));
  }

  async sendGroup({ to, content, feature, reference }) {
    await this.#post(onceEntry({ type: 'GROUP_MESSAGE', data: { to, content }, feature, reference }));
  }

  async markRead(to, reference) {
    await this.#post(onceEntry({ type: 'MESSAGE_READ', data: { to, reference } }));
  }

  async closeConnection(userId) {
    this.#connection.requireReady();
    const reference = newReference();
    const answer = defer();
    this.#requests.set(reference, { answer, userId });
    const timeout = () => answer.reject(new LinkerError('TIMEOUT', `no answer about ${userId}`, { reference }));
    const timer = setTimeout(timeout, this.#options.requestTimeoutMs);
    try {
      this.#connection.write({ type: 'CLOSE_CONNECTION', data: { userId }, reference });
      await answer.promise;
    } finally {
      clearTimeout(timer);
      this.#requests.delete(reference);
    }
  }

  async fetchMissing(count = 100) {
    this.#connection.requireLogin();
    const fetch = { count, reference: newReference(), messages: [], answer: defer() };
    this.#fetches.push(fetch);
    this.#nextFetch();
    return await fetch.answer.promise;
  }

  ping() { return this.#connection.ping(); }

  sendFrame(frame) {
    this.#connection.requireReady();
    this.#connection.write(frame);
  }

  // -- sending ---------------------------------------------------------------------------------------------------

  async #post(entry) {
    if (entry.reliable) this.#connection.requireLogin();
    else this.#connection.requireReady();
    this.#outbox.add(entry);
    if (this.state === 'ready') this.#write(entry);
    return await entry.deferred.promise;
  }

  #write(entry) {
    if (!entry.resends && this.#connection.bufferedAmount > this.#options.maxBufferedBytes) {
      this.#outbox.take(entry.key);
      entry.refuse('OUTBOX_FULL', 'the network does not keep up');
      return;
    }
    this.#connection.writeEntry(entry);
    if (!entry.resends) this.#outbox.makeSafe(entry);
  }

  #nextFetch() {
    if (this.state !== 'ready' || this.#replaying || this.#fetching || this.#fetches.length === 0) return;
    const { count, reference } = this.#fetches[0];
    this.#fetching = true;
    this.#connection.write({ type: 'FETCH_MISSING_MESSAGES_REQUEST', data: { count }, reference });
  }

  #ack(id) {
    if (this.state !== 'ready') return; // it will be given again, and the repetition is acknowledged
    this.#ackIds.push(id);
    if (this.#ackIds.length >= ACK_IDS_MAX || now() - this.#ackedAt > ACK_WINDOW_MS) this.#flushAcks();
    else this.#ackTimer ??= setTimeout(() => this.#flushAcks(), ACK_WINDOW_MS);
  }

  #flushAcks() {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    const ids = this.#ackIds.splice(0);
    if (ids.length === 0 || this.state !== 'ready') return;
    this.#ackedAt = now();
    this.#connection.write({ type: 'MESSAGE_ACK', data: { ids } });
  }

  // -- the connection came or went -------------------------------------------------------------------------------

  #onReady(reply, movedFrom) {
    this.#replaying = this.#options.replay;
    for (const entry of this.#outbox.unsafe) this.#write(entry);
    if (movedFrom) this.#emit('moved', { url: this.url, from: movedFrom });
    this.#emit('login', reply);
    this.#nextFetch();
  }

  #onDown(close) {
    this.#ackIds = [];
    this.#fetching = this.#replaying = false;
    for (const { answer } of this.#requests.values()) answer.reject(close.error);
    if (!close.willReconnect) {
      this.#outbox.forgetAll(close.error);
      for (const { answer } of this.#fetches.splice(0)) answer.reject(close.error);
    }
    this.#emit('close', close);
  }

  // -- receiving -------------------------------------------------------------------------------------------------

  #onText(text) {
    this.#emit('frame', { direction: 'in', text });
    const frame = parseObject(text);
    if (!frame) {
      this.#report(new LinkerError('INVALID_JSON', 'the server sent something that is not a JSON object'));
      return;
    }
    const data = frame.data ?? {};
    const key = dedupeKey(frame, data);
    let handled = this.#seen.get(key);
    if (handled) {
      this.#emit('duplicate', { type: frame.type, id: frame.id, reference: frame.reference, from: data.from, text });
    } else {
      handled = this.#settle(this.#handle(frame, data, text), key);
      if (key !== undefined) this.#remember(key, handled);
    }
    const needsAck = this.#options.ack === 'client' && typeof frame.id === 'string' && frame.feature !== 'FAST';
    if (needsAck) handled.then((done) => { if (done) this.#ack(frame.id); });
  }

  /** Whether every listener finished. A failed one is reported, and its message may come again. */
  async #settle(results, key) {
    try {
      await Promise.all(results);
      return true;
    } catch (cause) {
      this.#seen.delete(key);
      this.#report(new LinkerError('HANDLER_FAILED', `a listener failed: ${cause?.message ?? cause}`, { cause }));
      return false;
    }
  }

  #remember(key, handled) {
    this.#seen.set(key, handled);
    if (this.#seen.size > this.#options.maxSeen) this.#seen.delete(this.#seen.keys().next().value);
  }

  #handle(frame, data, text) {
    const { type, id, reference, feature, timestamp } = frame;
    const { from, content, userId } = data;
    switch (type) {
      case 'AUTH_CLIENT_REPLY': this.#connection.reply(data); return [];
      case 'MESSAGE': return this.#onMessage({ id, from, content, reference, feature, timestamp, text });
      case 'MESSAGE_CONFIRMATION': return this.#onConfirmation(data.reference, id);
      case 'MESSAGE_ACCEPTED': return this.#onAccepted(data);
      case 'MESSAGE_READ': return this.#emit('read', { id, from, reference: data.reference });
      case 'USER_CONNECTED': return this.#emit('userConnected', { id, userId });
      case 'USER_DISCONNECTED': return this.#onUserDisconnected(userId, id);
      case 'FETCH_MISSING_MESSAGES_COMPLETE': return this.#onFetched(data.leftMissingCount);
      case 'PONG': return this.#emit('pong', { rttMs: this.#connection.pong() });
      case 'ERROR': return this.#onError(new LinkerError(data.code, data.message, { reference, id }));
      default: return this.#emit('custom', { type, id, reference, data: frame.data, text });
    }
  }

  #onMessage(message) {
    if (this.#fetching) this.#fetches[0].messages.push(message);
    return this.#emit('message', message);
  }

  #onConfirmation(reference, id) {
    const entry = this.#outbox.take(reference);
    const elapsedMs = entry?.elapsedMs;
    entry?.settle('confirmed');
    return this.#emit('confirmation', { id, reference, to: entry?.to, elapsedMs });
  }

  #onAccepted({ reference, id }) {
    const entry = this.#outbox.find(reference);
    if (entry) {
      Object.assign(entry, { accepted: true, id });
      this.#outbox.makeSafe(entry);
      if (entry.until === 'accepted') entry.settle('accepted');
    }
    return this.#emit('accepted', { id, reference, to: entry?.to, elapsedMs: entry?.elapsedMs });
  }

  #onUserDisconnected(userId, id) {
    for (const request of this.#requests.values()) if (request.userId === userId) request.answer.resolve();
    return this.#emit('userDisconnected', { id, userId });
  }

  #onFetched(leftMissingCount) {
    const replay = this.#replaying;
    this.#replaying = false;
    if (!replay && this.#fetching) {
      this.#fetching = false;
      const { messages, answer } = this.#fetches.shift();
      answer.resolve({ messages, leftMissingCount });
    }
    const results = this.#emit('fetched', { leftMissingCount, replay });
    this.#nextFetch();
    return results;
  }

  #onError(error) {
    const { reference } = error;
    if (reference == null) this.#connection.failure(error);
    this.#requests.get(reference)?.answer.reject(error);
    this.#outbox.take(reference)?.deferred.reject(error);
    if (this.#fetching && this.#fetches[0].reference === reference) {
      this.#fetching = false;
      this.#fetches.shift().answer.reject(error);
      this.#nextFetch();
    }
    return this.#report(error);
  }

  #report(error) {
    if (!this.#listeners.get('error')?.size) console.warn(`Linker: ${error.code}: ${error.message}`, error.cause ?? '');
    return this.#emit('error', error);
  }

  #emit(type, event) {
    return [...(this.#listeners.get(type) ?? [])].map((listener) => {
      try {
        return listener(event);
      } catch (error) {
        return Promise.reject(error);
      }
    });
  }
}

function parseObject(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
