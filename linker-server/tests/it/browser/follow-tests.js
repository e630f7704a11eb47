// How linker-client.js goes to the user's home domain, and stays there. Part of linker-client-tests.js.

import { equal, nthSocket, rejects, sockets, until } from './fake-socket.js';

const CREDENTIALS = { appId: 'app-id-343', userId: 'ANZ-1' };
const WRONG_DOMAIN = { code: 'WRONG_DOMAIN', message: 'this user lives elsewhere' };
const [REDIRECTS_MAX, HOME_TRIES, HOME_URLS_MAX] = [5, 3, 16];
const at = (...hosts) => hosts.map((host) => `ws://${host}/ws`);
const dialled = (...hosts) => equal(sockets.map(({ url }) => url), at(...hosts), 'where it went');
const sendsTo = async (count, ...hosts) => (await nthSocket(count)).refuses(WRONG_DOMAIN, { urls: at(...hosts) });
const admits = async (count) => (await nthSocket(count)).admits();
const fails = async (count) => (await nthSocket(count)).ends(1006);

/** `client(options)` makes one whose first url is `ws://first/ws`; `loggedIn` one that is logged in there. */
export const followTests = ({ client, loggedIn }) => {
  const watched = (made) => {
    const [moves, waits] = [[], []];
    made.on('moved', ({ url, from }) => moves.push(`${from} → ${url}`));
    made.on('close', ({ retryInMs }) => waits.push(retryInMs));
    return { moves, waits };
  };

  return {
    async it_goes_home_to_the_first_url_that_answers_and_stays_with_it() {
      const made = client();
      const order = [];
      for (const type of ['moved', 'login']) made.on(type, () => order.push(type));
      const { moves, waits } = watched(made);
      const login = made.login(CREDENTIALS);
      await sendsTo(1, 'home-1', 'home-2');
      await fails(2);
      await (await nthSocket(3)).admits({ missing: 2 });
      equal(await login, { ...CREDENTIALS, missing: 2 });
      equal(made.url, 'ws://home-2/ws');
      sockets[2].ends(1001);
      await fails(4);
      await admits(5);
      await until(() => made.state === 'ready', 'the login');
      sockets[4].ends(1006);
      await admits(6);
      dialled('first', 'home-1', 'home-2', 'home-2', 'home-1', 'home-1');
      equal(moves, ['ws://first/ws → ws://home-2/ws', 'ws://home-2/ws → ws://home-1/ws']);
      equal(order, ['moved', 'login', 'moved', 'login', 'login']);
      equal(waits.map((wait) => wait > 0), [false, true, true, true, true], 'a redirect is not waited for, a failure is');
      made.close();
      equal(made.url, 'ws://first/ws', 'where the next login begins');
    },

    async what_was_not_confirmed_is_sent_again_at_home() {
      const made = await loggedIn();
      const [first, second] = ['a', 'b'].map((reference) => made.send({ to: 'ANZ-2', content: reference, reference }));
      const fetching = made.fetchMissing(3);
      sockets[0].gives({ type: 'MESSAGE_CONFIRMATION', id: 'c', data: { reference: 'a' } });
      sockets[0].ends(1001);
      const late = made.send({ to: 'ANZ-2', content: 'c', reference: 'c' });
      await sendsTo(2, 'home');
      await admits(3);
      equal((await sockets[2].wasSent('MESSAGE', 2)).map(({ reference }) => reference), ['b', 'c']);
      for (const reference of ['b', 'c']) sockets[2].gives({ type: 'MESSAGE_CONFIRMATION', id: `c-${reference}`, data: { reference } });
      equal((await Promise.all([first, second, late])).map(({ sends }) => sends), [1, 2, 1]);
      await sockets[2].wasSent('FETCH_MISSING_MESSAGES_REQUEST');
      sockets[2].gives({ type: 'FETCH_MISSING_MESSAGES_COMPLETE', data: { leftMissingCount: 0 } });
      equal(await fetching, { messages: [], leftMissingCount: 0 });
    },

    async who_is_moved_while_logged_in_follows_each_time() {
      const made = await loggedIn();
      const { moves } = watched(made);
      let count = 1;
      for (const home of ['one', 'two', 'first', 'one', 'two', 'one', 'two']) {
        await until(() => made.state === 'ready', 'the login');
        sockets[count - 1].ends(1001);
        await sendsTo(count + 1, home);
        await admits(count += 2);
      }
      dialled('first', 'first', 'one', 'one', 'two', 'two', 'first', 'first', 'one', 'one', 'two', 'two', 'one', 'one', 'two');
      equal(moves.length, 7, 'moves, more than may be followed in a row');
    },

    async when_nobody_is_at_home_for_several_tries_the_first_url_is_asked_again() {
      const login = client().login(CREDENTIALS);
      await sendsTo(1, 'home-1', 'home-2');
      for (const count of [2, 3, 4]) await fails(count);
      await sendsTo(5, 'new-home');
      for (const count of [6, 7, 8]) await fails(count);
      await fails(9);
      await admits(10);
      await login;
      const homes = [...Array(3).fill('new-home'), 'first', 'new-home'];
      dialled('first', 'home-1', 'home-2', 'home-1', 'first', ...homes);
    },

    async who_lives_at_the_first_url_again_stays_there() {
      const made = client();
      const { moves } = watched(made);
      made.login(CREDENTIALS).catch(() => {});
      await sendsTo(1, 'home');
      await admits(2);
      await until(() => made.state === 'ready', 'the login');
      sockets[1].ends(1006);
      for (const count of [3, 4, 5]) await fails(count);
      await admits(6);
      await until(() => made.state === 'ready', 'the login');
      sockets[5].ends(1006);
      await admits(7);
      dialled('first', ...Array(4).fill('home'), 'first', 'first');
      equal(moves, ['ws://first/ws → ws://home/ws', 'ws://home/ws → ws://first/ws']);
    },

    async a_home_that_is_away_for_long_is_waited_for() {
      const login = client().login(CREDENTIALS);
      let count = 0;
      for (let round = 0; round <= REDIRECTS_MAX; round += 1) {
        await sendsTo(count += 1, 'home');
        for (let tries = 0; tries < HOME_TRIES; tries += 1) await fails(count += 1);
      }
      await sendsTo(count += 1, 'home');
      await admits(count += 1);
      await login;
    },

    async each_url_of_home_gets_a_try_before_the_first_is_asked_again_up_to_a_bound() {
      const made = client();
      made.login(CREDENTIALS).catch(() => {});
      const homes = Array.from({ length: HOME_URLS_MAX + 4 }, (_, index) => `home-${index}`);
      await sendsTo(1, ...homes);
      for (let count = 2; count <= HOME_URLS_MAX + 1; count += 1) await fails(count);
      await nthSocket(HOME_URLS_MAX + 2);
      made.close();
      dialled('first', ...homes.slice(0, HOME_URLS_MAX), 'first');
    },

    async a_home_that_cannot_check_the_login_yet_is_not_left() {
      const login = client().login(CREDENTIALS);
      await sendsTo(1, 'home-1', 'home-2');
      for (const count of [2, 3, 4, 5]) await (await nthSocket(count)).refuses({ code: 'AUTH_UNAVAILABLE', message: 'later' });
      await admits(6);
      await login;
      dialled('first', ...Array(5).fill('home-1'));
    },

    async after_too_many_redirects_in_a_row_the_login_rejects_and_a_later_one_begins_anew() {
      const made = client();
      const login = made.login(CREDENTIALS);
      const sending = made.send({ to: 'ANZ-2', content: 1, reference: 'r' });
      for (let count = 1; count <= REDIRECTS_MAX + 1; count += 1) await sendsTo(count, `home-${count}`);
      equal((await rejects(login, 'WRONG_DOMAIN')).urls, at(`home-${REDIRECTS_MAX + 1}`));
      await rejects(sending, 'WRONG_DOMAIN');
      equal([made.state, made.url, sockets.length], ['closed', 'ws://first/ws', REDIRECTS_MAX + 1]);
      const again = made.login();
      await sendsTo(REDIRECTS_MAX + 2, 'home');
      await admits(REDIRECTS_MAX + 3);
      equal((await again).userId, CREDENTIALS.userId);
    },

    async who_was_logged_in_waits_until_the_domains_agree() {
      const made = await loggedIn();
      const { waits } = watched(made);
      const sending = made.send({ to: 'ANZ-2', content: 1, reference: 'r' });
      sockets[0].ends(1001);
      const login = made.login();
      for (let count = 2; count <= REDIRECTS_MAX + 2; count += 1) await sendsTo(count, count % 2 ? 'first' : 'home');
      await rejects(login, 'WRONG_DOMAIN');
      equal([made.state, made.url, waits.at(-1) > 0], ['waiting', 'ws://first/ws', true]);
      await sendsTo(REDIRECTS_MAX + 3, 'home');
      const last = await nthSocket(REDIRECTS_MAX + 4);
      await last.admits();
      equal(last.url, 'ws://home/ws');
      await last.wasSent('MESSAGE');
      last.gives({ type: 'MESSAGE_CONFIRMATION', id: 'c', data: { reference: 'r' } });
      equal((await sending).sends, 2);
    },

    async told_not_to_follow_it_gives_the_urls_to_the_caller() {
      const made = client({ followDomain: false });
      const login = made.login(CREDENTIALS);
      await sendsTo(1, 'home');
      const error = await rejects(login, 'WRONG_DOMAIN');
      equal([error.urls, error.retryable, made.state, sockets.length], [at('home'), false, 'closed', 1]);
      sockets.length = 0;
      const running = await loggedIn({ followDomain: false });
      const closes = [];
      running.on('close', ({ error: { code, urls }, willReconnect }) => closes.push([code, urls, willReconnect]));
      sockets[0].ends(1001);
      await sendsTo(2, 'home');
      equal(closes.at(-1), ['WRONG_DOMAIN', at('home'), false]);
      dialled('first', 'first');
    },

    async a_page_of_https_goes_to_wss_only() {
      const secure = { url: undefined, location: { protocol: 'https:', host: 'first' } };
      const login = client(secure).login(CREDENTIALS);
      await sockets[0].refuses(WRONG_DOMAIN, { urls: ['ws://home-1/ws', 'wss://home-2/ws', 'ws://home-3/ws', 'wss://home-4/ws'] });
      await fails(2);
      await admits(3);
      await login;
      equal(sockets.map(({ url }) => url), ['wss://first/ws', 'wss://home-2/ws', 'wss://home-4/ws']);
      sockets.length = 0;
      const nowhere = client(secure).login(CREDENTIALS);
      await sendsTo(1, 'home');
      equal((await rejects(nowhere, 'WRONG_DOMAIN')).urls, at('home'));
    },

    async without_a_url_to_go_to_the_login_rejects() {
      for (const urls of [undefined, [], [null, 7, 'http://home/ws', 'home'], 'ws://home/ws']) {
        sockets.length = 0;
        const login = client().login(CREDENTIALS);
        await sockets[0].refuses(WRONG_DOMAIN, { urls });
        await rejects(login, 'WRONG_DOMAIN');
        equal(sockets.length, 1);
      }
    },

    async a_redirect_is_followed_without_reconnect_too_and_a_loss_after_it_is_the_last() {
      const made = client({ reconnect: false });
      const login = made.login(CREDENTIALS);
      await sendsTo(1, 'home');
      await admits(2);
      await login;
      sockets[1].ends(1006);
      equal(made.state, 'closed');
    },
  };
};
