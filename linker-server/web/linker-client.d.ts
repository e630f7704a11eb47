/** Any JSON value. Numbers that JavaScript cannot hold exactly are whole in `Message.text` only. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type Feature = 'RELIABLE' | 'FAST';

/**
 * - `idle`: nothing was asked for yet
 * - `connecting`: the WebSocket is being opened
 * - `open`: connected, not logged in (the server closes such a connection after some seconds)
 * - `authenticating`: waiting for the answer to the login
 * - `ready`: logged in
 * - `waiting`: the connection ended and the next try is scheduled
 * - `closed`: ended for good; `connect` or `login` start anew
 */
export type State = 'idle' | 'connecting' | 'open' | 'authenticating' | 'ready' | 'waiting' | 'closed';

export interface LinkerOptions {
  /** Default in a browser: `/ws` of the page's own host. Required elsewhere. */
  url?: string;
  /** What to make sockets of. Default `globalThis.WebSocket`; in Node 20 pass the one of a package, such as `ws` or `undici`. */
  WebSocket?: new (url: string) => any;
  /** The page's address; a page of `https:` follows to `wss:` urls only. Default `globalThis.location`. */
  location?: { protocol: string; host: string };
  /**
   * What counts as delivered to this client. `transport` (default): the frame reached the browser.
   * `client`: every listener for it has finished; acknowledging is done here, by itself. A listener that throws or
   * rejects leaves its message unacknowledged, and the server gives it again after the connection has ended.
   */
  ack?: 'transport' | 'client';
  /** Ask for MESSAGE_ACCEPTED, so that what is safe is not sent again. Default true. */
  accepted?: boolean;
  /** Get missed messages at login, before any live one, without asking. Default false. */
  replay?: boolean;
  /** Come back after a lost connection. Default true. */
  reconnect?: boolean;
  /**
   * Go where a login that is refused with `WRONG_DOMAIN` says, with the same token. Default true. With false that refusal
   * ends the client, and its error has the `urls`.
   */
  followDomain?: boolean;
  /** The first wait before a reconnect, in ms (half of it is random); doubles with every failure. Default 500. */
  minDelayMs?: number;
  /** The longest such wait, in ms. Default 30 000. */
  maxDelayMs?: number;
  /** How long opening and logging in may take together before the next try, in ms. Default 15 000. */
  loginTimeoutMs?: number;
  /** How often to PING, in ms; 0 never. Default 25 000. */
  pingIntervalMs?: number;
  /** How long the server may be silent after a PING before the connection is given up, in ms. Default 10 000. */
  pingTimeoutMs?: number;
  /** How long `closeConnection` waits, in ms. Default 10 000. */
  requestTimeoutMs?: number;
  /** The server's `limits.maxFrameBytes`: a larger frame is refused here. Default 65 536. */
  maxFrameBytes?: number;
  /** FAST and group frames are refused while the socket holds more unsent bytes than this. Default 4 194 304. */
  maxBufferedBytes?: number;
  /** How many RELIABLE messages may wait to be sent or accepted. Default 1 000. */
  maxOutbox?: number;
  /** How many sent messages may wait for their confirmation; the oldest is let go beyond it. Default 10 000. */
  maxUnconfirmed?: number;
  /** How many received frames are remembered to recognise a repetition. Default 10 000. */
  maxSeen?: number;
}

export interface Credentials {
  appId: string;
  userId: string;
  /** A function is called at every login, so that it can give a fresh token. */
  token?: string | (() => string | Promise<string>);
}

export interface LoginReply {
  appId: string;
  userId: string;
  /** How many messages, confirmations, receipts and events wait. */
  missing?: number;
}

export interface OutgoingMessage extends Outgoing {
  to: string;
}

/** For the application behind the domain. */
export interface UpstreamMessage extends Outgoing {
  /** Words of `A-Z a-z 0-9 _ -` with dots between them, 1 to 128 bytes. The application knows them; the first is not `event`. */
  type: string;
}

export interface Outgoing {
  content: Json;
  /** Default `RELIABLE`. */
  feature?: Feature;
  /**
   * 1 to 256 bytes, to be used for one message only. Left out, a RELIABLE message gets a random one. `null` means none:
   * then the message is neither confirmed nor sent again, and a lost connection may lose it.
   */
  reference?: string | null;
  /** Default true. */
  confirmationEnabled?: boolean;
  /**
   * When the promise resolves. Default: `confirmed` for a RELIABLE message that can be confirmed, else `accepted` where the
   * server answers with that, else `sent`. `sent` is when it was handed to the socket. RELIABLE messages are sent again
   * until accepted or confirmed, whatever this says.
   */
  until?: 'sent' | 'accepted' | 'confirmed';
}

export interface SendResult {
  reference?: string;
  state: 'sent' | 'accepted' | 'confirmed';
  /** The message's id, where MESSAGE_ACCEPTED told it. */
  id?: string;
  /** From the first time the frame was written to this answer, in ms. */
  elapsedMs: number;
  /** How many times it was written: more than 1 after a reconnect. */
  sends: number;
}

export interface Message {
  id?: string;
  from: string;
  content: Json;
  reference?: string;
  feature?: Feature;
  /** When the first server accepted it, in ms since the epoch. */
  timestamp?: number;
  /** The frame as it came. */
  text: string;
}

export interface CloseEvent {
  /** The WebSocket close code; 1006 where there was none. */
  code: number;
  reason: string;
  error: LinkerError;
  willReconnect: boolean;
  retryInMs?: number;
}

/** `elapsedMs` and `to` are known for what this client sent itself since it was made. */
export interface Answer { id?: string; reference: string; to?: string; elapsedMs?: number }

export interface LinkerEvents {
  state: { state: State };
  /** The WebSocket is open; the login comes next. */
  open: { url: string };
  /** Logged in, for the first time or again. */
  login: LoginReply;
  /** Logged in at another url than before, or than the one first given: in the user's home domain. `login` follows. */
  moved: { url: string; from: string };
  close: CloseEvent;
  message: Message;
  confirmation: Answer;
  accepted: Answer;
  read: { id?: string; from: string; reference: string };
  /** To the master of an app: the user's first session came, its last one went. */
  userConnected: { id?: string; userId: string };
  userDisconnected: { id?: string; userId: string };
  /** The end of a fetch or of the replay at login. */
  fetched: { leftMissingCount: number; replay: boolean };
  /** `undefined` for a PONG that was not asked for. */
  pong: { rttMs: number | undefined };
  /** Every ERROR of the server, and every listener that failed. Without a listener these go to `console.warn`. */
  error: LinkerError;
  /** A repetition that was dropped. */
  duplicate: { type: string; id?: string; reference?: string; from?: string; text: string };
  /** A frame of a type that Linker itself does not have. */
  custom: { type: string; id?: string; reference?: string; data: Json; text: string };
  /** Every frame as it is on the wire. */
  frame: { direction: 'in' | 'out'; text: string };
}

/**
 * `code` is one of the server's error codes or, from here: `CONNECTION_LOST`, `NOT_CONNECTED`, `CLOSED` (by `close`),
 * `REPLACED` (by a newer login, 4009), `CLOSED_BY_MASTER` (4010), `INVALID_URL`, `TOO_LARGE`, `OUTBOX_FULL`,
 * `DUPLICATE_REFERENCE`, `UNCONFIRMED`, `TIMEOUT`, `HANDLER_FAILED` (then `cause` is what the listener threw).
 */
export class LinkerError extends Error {
  readonly code: string;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  readonly reference?: string;
  readonly id?: string;
  readonly closeCode?: number;
  /** Of `WRONG_DOMAIN`: where the user's home domain is. */
  readonly urls?: string[];
}

/**
 * One user's connection. It reconnects with exponential backoff and jitter, except after a login that cannot succeed, after
 * close codes 4003, 4009 and 4010, and after `close`. Repetitions are dropped, within `maxSeen`, by sender and reference where
 * there is one, else by id.
 *
 * It goes to the user's home domain by itself, also when that changes: the first url that answers, of those that a
 * `WRONG_DOMAIN` told, is where it logs in, sends again what was not accepted, and comes back to. When none of them answers
 * for several tries it asks again at `url`, and goes on with both in turn. After 5 redirects in a row a login rejects with
 * the last `WRONG_DOMAIN`; a client that was logged in already begins anew at `url`, with backoff.
 */
export class LinkerClient {
  constructor(options?: LinkerOptions);

  readonly state: State;
  /** Where it is connected or will connect next. */
  readonly url: string;
  readonly userId: string | undefined;
  /** The latest round trip of a PING, in ms. */
  readonly rttMs: number | undefined;
  /** How many messages the server has not answered for. */
  readonly outboxSize: number;

  /**
   * Listeners run in the order of the frames; what an asynchronous one does after its first `await` may interleave.
   * @returns a function that removes the listener
   */
  on<T extends keyof LinkerEvents>(type: T, listener: (event: LinkerEvents[T]) => unknown): () => void;
  off<T extends keyof LinkerEvents>(type: T, listener: (event: LinkerEvents[T]) => unknown): void;

  /** Opens the connection without logging in. Keeps trying; rejects when it ends for good. */
  connect(): Promise<void>;

  /**
   * Logs in, connecting first where needed, in another domain where the user lives there. Keeps trying through lost
   * connections, `AUTH_UNAVAILABLE` and `RATE_LIMITED`; rejects with the server's code when the login is refused for a
   * reason that waiting does not heal. What is left out is as in the last login. While logged in as the same user, it renews the session with the
   * token given.
   */
  login(credentials?: Credentials): Promise<LoginReply>;

  /** Ends the connection for good. What is not accepted yet rejects with `CLOSED`. */
  close(code?: number, reason?: string): void;

  /**
   * Sends a MESSAGE. RELIABLE ones wait for the login where need be and are sent again, under the same reference, after a
   * reconnect, until the server has accepted or confirmed them. FAST ones reject with `NOT_CONNECTED` while there is no
   * session.
   *
   * The confirmation of a message to an absent user comes when that user has fetched it, and one that came while this user
   * was away waits until `fetchMissing` or `replay`: give `until: 'accepted'` to go on once the message is safe.
   *
   * When the client is closed for good, an accepted message resolves as `accepted`; another rejects, and whether it went out
   * is then not known: send it again under the `reference` of the error to be sure.
   */
  send(message: OutgoingMessage): Promise<SendResult>;

  /**
   * Sends to the application behind the domain, as `send` to a user: confirmed when the application has it. Rejects with `UNKNOWN_TYPE` where the node has none, with
   * `REFUSED` where it does not want the message.
   */
  sendUpstream(message: UpstreamMessage): Promise<SendResult>;

  /**
   * Sends one content to 1–1000 users. Resolves when it was handed to the socket: there is no confirmation, and it is not
   * sent again. A refusal comes as an `error` event that bears the `reference`.
   */
  sendGroup(message: { to: string[]; content: Json; feature?: Feature; reference?: string }): Promise<void>;

  /**
   * Gets up to `count` (at most 2000) of the oldest missed messages. They come as `message` events too; a live message that
   * arrives in between is among them. A fetch that loses its connection is asked again after the reconnect.
   */
  fetchMissing(count?: number): Promise<{ messages: Message[]; leftMissingCount: number }>;

  /** For the master: ends all sessions of a user; resolves when they are gone. */
  closeConnection(userId: string): Promise<void>;

  /** Tells the author of a message that it was read. Resolves when handed to the socket. */
  markRead(to: string, reference: string): Promise<void>;

  /** @returns the round trip in ms */
  ping(): Promise<number>;

  /** Writes any frame as it is, for message types of a host's own. Their answers are `custom` events. */
  sendFrame(frame: { type: string; data?: Json; reference?: string }): void;
}
