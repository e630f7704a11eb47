// What a Linker client has sent and the server has not answered for. Part of linker-client.js.

const RETRYABLE = new Set(['AUTH_UNAVAILABLE', 'UNAVAILABLE', 'RATE_LIMITED', 'CONNECTION_LOST', 'NOT_CONNECTED']);

export class LinkerError extends Error {
  constructor(code, message, details = {}) {
    super(message);
    Object.assign(this, details, { name: 'LinkerError', code, retryable: RETRYABLE.has(code) });
  }
}

export const now = () => performance.now();

export function newReference() {
  // Not crypto.randomUUID: browsers have that on https and localhost only.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
}

export function defer() {
  const deferred = {};
  deferred.promise = new Promise((resolve, reject) => Object.assign(deferred, { resolve, reject }));
  deferred.promise.catch(() => {}); // callers get a promise of their own, which does complain
  return deferred;
}

/** One frame that waits to be written, or to be answered for. */
class Entry {
  sends = 0;
  accepted = false;
  deferred = defer();
  #firstSentAt;

  constructor(frame, { reliable = true, confirms = false, resends = false, until = 'sent' } = {}) {
    Object.assign(this, { reliable, confirms, resends, until });
    this.text = JSON.stringify(frame);
    this.bytes = new TextEncoder().encode(this.text).length;
    this.to = frame.data.to;
    this.reference = frame.reference;
    this.key = resends || confirms ? frame.reference : Symbol(frame.type);
  }

  get elapsedMs() { return now() - this.#firstSentAt; }

  written() {
    this.#firstSentAt ??= now();
    this.sends += 1;
    if (this.until === 'sent') this.settle('sent');
  }

  settle(state) {
    const { reference, id, elapsedMs, sends } = this;
    this.deferred.resolve({ reference, state, id, elapsedMs, sends });
  }

  /** No answer will be waited for: what is known so far is the result. */
  forget(code, message) {
    if (this.accepted) this.settle('accepted');
    else this.refuse(code, message);
  }

  refuse(code, message) { this.deferred.reject(new LinkerError(code, message, { reference: this.reference })); }
}

/** The entry of a MESSAGE or an UPSTREAM: which answers it can get decides whether it is sent again and when its promise resolves. */
export function messageEntry(type, destination, { content, feature = 'RELIABLE', reference, confirmationEnabled, until }, accepted) {
  const reliable = feature !== 'FAST';
  if (reference === undefined && reliable) reference = newReference();
  reference ??= undefined;
  const confirms = reference !== undefined && confirmationEnabled !== false;
  const accepts = reference !== undefined && reliable && accepted;
  until ??= reliable && confirms ? 'confirmed' : accepts ? 'accepted' : 'sent';
  if (content === undefined) throw new LinkerError('INVALID_FIELD', 'content is missing', { reference });
  if ((until === 'confirmed' && !confirms) || (until === 'accepted' && !accepts && !confirms)) {
    throw new LinkerError('INVALID_FIELD', `this message will never be ${until}`, { reference });
  }
  const frame = { type, data: { ...destination, content }, feature, reference, confirmationEnabled };
  return new Entry(frame, { reliable, confirms, resends: reliable && (confirms || accepts), until });
}

/** A frame that the server would not know a second time: it is written once, at the next chance. */
export const onceEntry = (frame) => new Entry(frame, { reliable: frame.feature !== 'FAST' });

/** `unsafe` entries are written (again) after a login; `unconfirmed` ones only wait for their confirmation. */
export class Outbox {
  #unsafe = new Map();
  #unconfirmed = new Map();
  #limits;

  constructor(limits) { this.#limits = limits; }

  get size() { return this.#unsafe.size; }
  get unsafe() { return [...this.#unsafe.values()]; }

  find(key) { return this.#unsafe.get(key) ?? this.#unconfirmed.get(key); }

  add(entry) {
    const { reference } = entry;
    const { maxOutbox, maxFrameBytes } = this.#limits;
    if (entry.bytes > maxFrameBytes) throw new LinkerError('TOO_LARGE', `a frame is at most ${maxFrameBytes} bytes`, { reference });
    if (this.find(entry.key)) throw new LinkerError('DUPLICATE_REFERENCE', 'a message with this reference is still on its way', { reference });
    if (this.#unsafe.size >= maxOutbox) throw new LinkerError('OUTBOX_FULL', `${maxOutbox} messages wait already`, { reference });
    this.#unsafe.set(entry.key, entry);
  }

  /** Nothing needs to be sent again; if a confirmation is still to come, remember what it belongs to. */
  makeSafe(entry) {
    if (!this.#unsafe.delete(entry.key) || !entry.confirms) return;
    this.#unconfirmed.set(entry.key, entry);
    if (this.#unconfirmed.size <= this.#limits.maxUnconfirmed) return;
    const oldest = this.#unconfirmed.values().next().value;
    this.#unconfirmed.delete(oldest.key);
    oldest.forget('UNCONFIRMED', 'too many messages wait for a confirmation');
  }

  take(key) {
    const entry = this.find(key);
    this.#unsafe.delete(key);
    this.#unconfirmed.delete(key);
    return entry;
  }

  forgetAll({ code, message }) {
    for (const entry of [...this.#unsafe.values(), ...this.#unconfirmed.values()]) entry.forget(code, message);
    this.#unsafe.clear();
    this.#unconfirmed.clear();
  }
}
