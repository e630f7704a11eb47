// What linker-client.js promises, against a socket that the test itself plays. Runs in a browser (client.rs hands it the
// module under test) and in Node; no framework, so that neither needs an installation.

import { FakeSocket, equal, nthSocket, rejects, sockets, until, within } from './fake-socket.js';
import { followTests } from './follow-tests.js';

const CREDENTIALS = { appId: 'app-id-343', userId: 'ANZ-1' };
const message = (id, content, more = {}) => ({ type: 'MESSAGE', id, data: { from: 'ANZ-2', content }, feature: 'RELIABLE', ...more });
const confirmation = (reference, id = `c-${reference}`) => ({ type: 'MESSAGE_CONFIRMATION', id, data: { reference } });
const accepted = (reference) => ({ type: 'MESSAGE_ACCEPTED', data: { reference, id: `m-${reference}` } });
const references = (frames) => frames.map((frame) => frame.reference);

export async function run({ LinkerClient }) {
  const client = (options) => new LinkerClient({
    url: 'ws://first/ws', WebSocket: FakeSocket, minDelayMs: 1, maxDelayMs: 2, pingIntervalMs: 0, ...options,
  });
  const loggedIn = async (options) => {
    const made = client(options);
    const login = made.login(CREDENTIALS);
    await (await nthSocket(1)).admits();
    await login;
    return made;
  };

  const tests = {
    async login_sends_the_options_and_resolves_with_the_reply() {
      const login = client({ replay: true }).login({ ...CREDENTIALS, token: 't' });
      await sockets[0].admits({ missing: 3 });
      equal(await login, { ...CREDENTIALS, missing: 3 });
      const options = { ack: 'transport', accepted: true, replay: true };
      equal(sockets[0].sent[0], { type: 'AUTH_CLIENT', data: { ...CREDENTIALS, token: 't', options } });
    },

    async connect_alone_opens_and_does_not_come_back_after_4001() {
      const made = client();
      const connected = made.connect();
      sockets[0].opens();
      await connected;
      equal(made.state, 'open');
      sockets[0].ends(4001);
      equal(made.state, 'closed');
    },

    async a_reliable_message_resolves_on_its_confirmation() {
      const made = await loggedIn();
      const sending = made.send({ to: 'ANZ-2', content: { a: [1] }, reference: 'r' });
      const [frame] = await sockets[0].wasSent('MESSAGE');
      equal(frame, { type: 'MESSAGE', data: { to: 'ANZ-2', content: { a: [1] } }, feature: 'RELIABLE', reference: 'r' });
      sockets[0].gives(accepted('r'));
      sockets[0].gives(confirmation('r'));
      const { state, id, elapsedMs, sends } = await sending;
      equal([state, id, elapsedMs >= 0, sends], ['confirmed', 'm-r', true, 1]);
    },

    async what_is_for_the_application_is_sent_and_resolved_like_a_message() {
      const made = await loggedIn();
      const sending = made.sendUpstream({ type: 'order.created', content: { n: 1 }, reference: 'u' });
      const [frame] = await sockets[0].wasSent('UPSTREAM');
      const data = { type: 'order.created', content: { n: 1 } };
      equal(frame, { type: 'UPSTREAM', data, feature: 'RELIABLE', reference: 'u' });
      sockets[0].ends(1006);
      const second = await nthSocket(2);
      await second.admits();
      equal(references(await second.wasSent('UPSTREAM')), ['u']);
      second.gives(confirmation('u'));
      const { state, sends } = await sending;
      equal([state, sends], ['confirmed', 2]);
      const refused = made.sendUpstream({ type: 'order.created', content: 2, reference: 'v' });
      second.gives(accepted('v'));
      second.gives({ type: 'ERROR', reference: 'v', data: { code: 'REFUSED', message: 'no' } });
      await rejects(refused, 'REFUSED');
    },

    async until_decides_when_a_send_resolves() {
      const made = await loggedIn();
      equal((await made.send({ to: 'ANZ-2', content: 1, until: 'sent' })).state, 'sent');
      equal((await made.send({ to: 'ANZ-2', content: 1, feature: 'FAST' })).state, 'sent');
      equal((await made.send({ to: 'ANZ-2', content: 1, reference: null })).state, 'sent');
      const sending = made.send({ to: 'ANZ-2', content: 1, reference: 'r', confirmationEnabled: false });
      sockets[0].gives(accepted('r'));
      equal((await sending).state, 'accepted');
      await rejects(made.send({ to: 'ANZ-2', content: 1, reference: null, until: 'confirmed' }), 'INVALID_FIELD');
    },

    async only_what_is_not_safe_is_sent_again_in_order_under_the_same_reference() {
      const made = await loggedIn();
      const sends = ['a', 'b', 'c', 'd'].map((reference) => made.send({ to: 'ANZ-2', content: reference, reference }));
      sockets[0].gives(accepted('b'));
      sockets[0].gives(confirmation('c'));
      sockets[0].ends(1006);
      const late = made.send({ to: 'ANZ-2', content: 'e', reference: 'e' });
      const second = await nthSocket(2);
      await second.admits();
      equal(references(await second.wasSent('MESSAGE', 3)), ['a', 'd', 'e']);
      for (const reference of ['a', 'b', 'd', 'e']) second.gives(confirmation(reference));
      const results = await Promise.all([...sends, late]);
      equal(results.map((result) => result.sends), [2, 1, 1, 2, 1]);
      equal(made.outboxSize, 0);
    },

    async an_error_with_the_reference_rejects_the_send() {
      const made = await loggedIn();
      const sending = made.send({ to: 'XYZ-2', content: 1, reference: 'r', until: 'accepted' });
      const reported = [];
      made.on('error', (error) => reported.push(error.code));
      sockets[0].gives({ type: 'ERROR', data: { code: 'UNKNOWN_USER', message: 'no such app' }, reference: 'r' });
      equal((await rejects(sending, 'UNKNOWN_USER')).retryable, false);
      equal(reported, ['UNKNOWN_USER']);
      equal(made.outboxSize, 0);
    },

    async the_outbox_is_bounded_and_fast_needs_a_session() {
      const made = await loggedIn({ maxOutbox: 2, maxFrameBytes: 200 });
      sockets[0].ends(1006);
      const kept = [made.send({ to: 'ANZ-2', content: 1 }), made.send({ to: 'ANZ-2', content: 2, reference: 'r' })];
      await rejects(made.send({ to: 'ANZ-2', content: 3 }), 'OUTBOX_FULL');
      await rejects(made.send({ to: 'ANZ-2', content: 3, reference: 'r' }), 'DUPLICATE_REFERENCE');
      await rejects(made.send({ to: 'ANZ-2', content: 'ä'.repeat(100) }), 'TOO_LARGE');
      await rejects(made.send({ to: 'ANZ-2', content: 3, feature: 'FAST' }), 'NOT_CONNECTED');
      made.close();
      for (const sending of kept) await rejects(sending, 'CLOSED');
      await rejects(made.send({ to: 'ANZ-2', content: 4 }), 'NOT_CONNECTED');
    },

    async what_waits_for_a_confirmation_is_bounded() {
      const made = await loggedIn({ maxUnconfirmed: 1 });
      const first = made.send({ to: 'ANZ-2', content: 1, reference: 'a' });
      made.send({ to: 'ANZ-2', content: 1, reference: 'b', until: 'sent' });
      sockets[0].gives(accepted('a'));
      sockets[0].gives(accepted('b'));
      equal((await first).state, 'accepted');
    },

    async a_frame_too_large_for_the_server_is_not_sent_for_ever() {
      const made = await loggedIn();
      const large = made.send({ to: 'ANZ-2', content: 'x'.repeat(1_000), reference: 'large' });
      const small = made.send({ to: 'ANZ-2', content: 'x', reference: 'small' });
      sockets[0].ends(1009);
      await rejects(large, 'TOO_LARGE');
      const second = await nthSocket(2);
      await second.admits();
      equal(references(await second.wasSent('MESSAGE')), ['small']);
      second.gives(confirmation('small'));
      equal((await small).sends, 2);
    },

    async repetitions_are_dropped_by_sender_and_reference_else_by_id() {
      const made = await loggedIn({ maxSeen: 3 });
      const seen = [];
      made.on('message', ({ id }) => seen.push(id));
      sockets[0].gives(message('1', 'a', { reference: 'r' }));
      sockets[0].gives(message('2', 'a', { reference: 'r' }));
      sockets[0].gives(message('3', 'b'));
      sockets[0].gives(message('3', 'b'));
      sockets[0].gives(message('4', 'a', { reference: 'r', data: { from: 'ANZ-3', content: 'a' } }));
      equal(seen, ['1', '3', '4']);
      sockets[0].gives(message('5', 'c'));
      sockets[0].gives(message('6', 'd'));
      sockets[0].gives(message('3', 'b'));
      equal(seen, ['1', '3', '4', '5', '6', '3'], 'forgotten after three more');
    },

    async client_acks_follow_the_listeners_and_a_failed_one_gets_its_message_again() {
      const made = await loggedIn({ ack: 'client' });
      const [handled, errors] = [[], []];
      let finish;
      made.on('error', ({ code }) => errors.push(code));
      made.on('message', ({ content, id }) => {
        handled.push(id);
        if (content === 'slow') return new Promise((resolve) => { finish = resolve; });
        if (handled.length === 1) throw new Error('not this time');
        return undefined;
      });
      const acked = () => sockets[0].sent.filter(({ type }) => type === 'MESSAGE_ACK').flatMap(({ data }) => data.ids);
      sockets[0].gives(message('1', 'quick'));
      await until(() => errors.length === 1, 'the report of the failed listener');
      sockets[0].gives(message('1', 'quick'));
      await until(() => acked().includes('1'), 'the ack of what was handled at last');
      sockets[0].gives(message('2', 'slow'));
      sockets[0].gives(message('2', 'slow'));
      sockets[0].gives(message('3', 'quick', { feature: 'FAST' }));
      sockets[0].gives({ type: 'MESSAGE_READ', id: '4', data: { from: 'ANZ-2', reference: 'r' } });
      await until(() => acked().includes('4'), 'the ack of a receipt');
      equal([handled, acked(), errors], [['1', '1', '2', '3'], ['1', '4'], ['HANDLER_FAILED']]);
      finish();
      await until(() => acked().length === 4, 'the ack of 2 and of its repetition');
      equal(acked(), ['1', '4', '2', '2']);
    },

    async a_refusal_that_waiting_does_not_heal_rejects_the_login() {
      for (const code of ['UNKNOWN_APP', 'INVALID_USER_ID', 'WRONG_APP', 'AUTH_FAILED', 'UNKNOWN_DOMAIN']) {
        sockets.length = 0;
        const made = client();
        const login = made.login(CREDENTIALS);
        await sockets[0].refuses({ code, message: 'no' });
        await rejects(login, code);
        equal(made.state, 'closed');
      }
    },

    async auth_unavailable_is_tried_again_with_a_fresh_token() {
      let tokens = 0;
      const login = client().login({ ...CREDENTIALS, token: async () => `token-${tokens += 1}` });
      await sockets[0].refuses({ code: 'AUTH_UNAVAILABLE', message: 'later' });
      await (await nthSocket(2)).admits();
      await login;
      equal(sockets.map(({ sent }) => sent[0].data.token), ['token-1', 'token-2']);
    },

    async an_invalid_login_frame_ends_the_login() {
      const login = client().login({ appId: 'app-id-343', userId: 7 });
      sockets[0].opens();
      await sockets[0].wasSent('AUTH_CLIENT');
      sockets[0].gives({ type: 'ERROR', data: { code: 'INVALID_FIELD', message: 'data.userId must be a string' } });
      await rejects(login, 'INVALID_FIELD');
    },

    async it_stays_away_after_4009_and_4010_and_comes_back_after_others() {
      for (const [code, error] of [[4009, 'REPLACED'], [4010, 'CLOSED_BY_MASTER']]) {
        sockets.length = 0;
        const made = await loggedIn();
        const safe = made.send({ to: 'ANZ-2', content: 1, reference: 'safe' });
        const sending = made.send({ to: 'ANZ-2', content: 1, reference: 'r' });
        sockets[0].gives(accepted('safe'));
        sockets[0].ends(code);
        equal((await safe).state, 'accepted');
        equal((await rejects(sending, error)).reference, 'r');
        equal(made.state, 'closed');
      }
      for (const code of [1001, 1006, 4001, 4008, 4011, 4029]) {
        sockets.length = 0;
        const made = await loggedIn();
        sockets[0].ends(code);
        equal(made.state, 'waiting', `after ${code}`);
        await (await nthSocket(2)).admits();
        equal(made.state, 'ready');
        made.close();
      }
    },

    async the_waits_grow_are_bounded_and_vary() {
      const made = client({ minDelayMs: 2, maxDelayMs: 8 });
      const waits = [];
      made.on('close', ({ retryInMs }) => waits.push(retryInMs));
      made.connect().catch(() => {});
      for (let count = 1; count <= 5; count += 1) (await nthSocket(count)).ends(1006);
      made.close();
      for (const [index, ceiling] of [2, 4, 8, 8, 8].entries()) {
        equal(waits[index] >= ceiling / 2 && waits[index] <= ceiling, true, `wait ${index} of ${waits}`);
      }
      equal(new Set(waits.slice(2, 5)).size > 1, true, 'jitter');
    },

    async without_reconnect_the_first_loss_is_the_last() {
      const made = client({ reconnect: false });
      const login = made.login(CREDENTIALS);
      sockets[0].ends(1006);
      await rejects(login, 'CONNECTION_LOST');
      await rejects(client({ url: 'http://first' }).connect(), 'INVALID_URL');
    },

    async close_ends_for_good_and_login_starts_anew() {
      const made = await loggedIn();
      const closes = [];
      made.on('close', ({ code, willReconnect }) => closes.push([code, willReconnect]));
      made.close();
      equal([sockets[0].closed, made.state, closes], [true, 'closed', [[1000, false]]]);
      sockets[0].ends(1000);
      equal(closes.length, 1, 'closes told');
      const login = made.login({ ...CREDENTIALS, userId: 'ANZ-5' });
      await sockets[1].admits();
      equal((await login).userId, 'ANZ-5');
      await rejects(made.login(CREDENTIALS), 'ALREADY_AUTHENTICATED');
    },

    async fetches_go_one_after_the_other_and_survive_a_reconnect() {
      const made = await loggedIn();
      const [first, second] = [made.fetchMissing(2), made.fetchMissing(5)];
      equal((await sockets[0].wasSent('FETCH_MISSING_MESSAGES_REQUEST')).map(({ data }) => data.count), [2]);
      sockets[0].gives(message('1', 'a'));
      sockets[0].ends(1006);
      await (await nthSocket(2)).admits();
      equal((await sockets[1].wasSent('FETCH_MISSING_MESSAGES_REQUEST'))[0].data.count, 2);
      sockets[1].gives(message('1', 'a'));
      sockets[1].gives(message('2', 'b'));
      sockets[1].gives({ type: 'FETCH_MISSING_MESSAGES_COMPLETE', data: { leftMissingCount: 7 } });
      const { messages, leftMissingCount } = await first;
      equal([messages.map(({ content }) => content), leftMissingCount], [['a', 'b'], 7]);
      const [, { data, reference }] = await sockets[1].wasSent('FETCH_MISSING_MESSAGES_REQUEST', 2);
      equal(data.count, 5);
      sockets[1].gives({ type: 'ERROR', data: { code: 'UNAVAILABLE', message: 'the store is away' }, reference });
      equal((await rejects(second, 'UNAVAILABLE')).retryable, true);
    },

    async the_end_of_the_replay_is_not_the_end_of_a_fetch() {
      const made = await loggedIn({ replay: true });
      const fetching = made.fetchMissing();
      sockets[0].gives(message('1', 'replayed'));
      sockets[0].gives({ type: 'FETCH_MISSING_MESSAGES_COMPLETE', data: { leftMissingCount: 0 } });
      await sockets[0].wasSent('FETCH_MISSING_MESSAGES_REQUEST');
      sockets[0].gives({ type: 'FETCH_MISSING_MESSAGES_COMPLETE', data: { leftMissingCount: 4 } });
      equal(await fetching, { messages: [], leftMissingCount: 4 });
    },

    async close_connection_waits_for_the_event_or_the_error() {
      const made = await loggedIn({ requestTimeoutMs: 5 });
      const done = made.closeConnection('ANZ-7');
      await sockets[0].wasSent('CLOSE_CONNECTION');
      sockets[0].gives({ type: 'USER_DISCONNECTED', id: 'd', data: { userId: 'ANZ-7' } });
      await done;
      const refused = made.closeConnection('XYZ-7');
      const [, { reference }] = await sockets[0].wasSent('CLOSE_CONNECTION', 2);
      sockets[0].gives({ type: 'ERROR', data: { code: 'FORBIDDEN', message: 'not its master' }, reference });
      await rejects(refused, 'FORBIDDEN');
      await rejects(made.closeConnection('ANZ-8'), 'TIMEOUT');
    },

    async groups_and_receipts_are_written_once() {
      const made = await loggedIn();
      await made.sendGroup({ to: ['ANZ-2', 'ANZ-3'], content: 'hi', reference: 'g' });
      sockets[0].ends(1006);
      const receipt = made.markRead('ANZ-2', 'r');
      await (await nthSocket(2)).admits();
      await receipt;
      equal(sockets[0].sent[1], { type: 'GROUP_MESSAGE', data: { to: ['ANZ-2', 'ANZ-3'], content: 'hi' }, reference: 'g' });
      equal(sockets[1].sent.slice(1), [{ type: 'MESSAGE_READ', data: { to: 'ANZ-2', reference: 'r' } }]);
    },

    async a_server_that_answers_no_ping_is_given_up() {
      const made = await loggedIn({ pingIntervalMs: 5, pingTimeoutMs: 20 });
      await sockets[0].wasSent('PING');
      sockets[0].gives({ type: 'PONG' });
      equal(made.rttMs >= 0, true);
      await (await nthSocket(2)).admits();
      equal(sockets[0].closed, true);
      const pinging = made.ping();
      made.close();
      await rejects(pinging, 'CLOSED');
    },

    async a_server_that_never_answers_the_login_is_given_up() {
      const made = client({ loginTimeoutMs: 5 });
      made.login(CREDENTIALS).catch(() => {});
      sockets[0].opens();
      await nthSocket(2);
      made.close();
    },

    async a_login_of_the_same_user_renews_the_session() {
      const made = await loggedIn();
      const renewal = made.login({ token: 'fresh' });
      equal((await sockets[0].wasSent('AUTH_CLIENT', 2))[1].data.token, 'fresh');
      sockets[0].gives({ type: 'AUTH_CLIENT_REPLY', data: { ...CREDENTIALS, isAuthenticated: true } });
      equal((await renewal).userId, 'ANZ-1');
      const bad = made.login({ token: 'bad' });
      await sockets[0].wasSent('AUTH_CLIENT', 3);
      sockets[0].gives({ type: 'AUTH_CLIENT_REPLY', data: { isAuthenticated: false, error: { code: 'AUTH_FAILED', message: 'no' } } });
      await rejects(bad, 'AUTH_FAILED');
      equal(made.state, 'ready');
    },

    async what_is_no_frame_is_reported_and_unknown_types_are_custom() {
      const made = await loggedIn();
      const told = [];
      made.on('error', ({ code }) => told.push(code));
      made.on('custom', ({ type, data }) => told.push([type, data]));
      for (const text of ['{', 'null', '[]', '7']) sockets[0].gives(text);
      sockets[0].gives({ type: 'WEATHER', data: { sun: true } });
      equal(told, [...Array(4).fill('INVALID_JSON'), ['WEATHER', { sun: true }]]);
      made.sendFrame({ type: 'WEATHER_REQUEST' });
      equal(sockets[0].sent.at(-1), { type: 'WEATHER_REQUEST' });
    },
    ...followTests({ client, loggedIn }),
  };

  const failures = [];
  for (const [name, test] of Object.entries(tests)) {
    sockets.length = 0;
    try {
      await within(10_000, test());
    } catch (error) {
      failures.push(`${name}: ${error.message}`);
    }
  }
  return { count: Object.keys(tests).length, failures };
}
