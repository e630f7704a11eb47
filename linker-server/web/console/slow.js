// Sessions that do not keep up with what they are sent.

import { $, element, reconcile, setText, tableRow } from './dom.js';
import { bytes, count, listed, plural, time } from './format.js';

const COLUMNS = [['User', 'name'], ['Node'], ['Unproven', 'number'], ['Behind since']];

export function show(slow, find) {
  const { total, sessions, silent } = slow;
  const parts = [total === 0 ? 'Every session keeps up with what it is sent.' : `${plural(total, 'session does', 'sessions do')} not keep up: what comes for them waits in the store.`];
  if (silent.length > 0) parts.push(`${listed(silent)} did not answer.`);
  if (total > sessions.length) parts.push(`The ${count(sessions.length)} that are behind the longest:`);
  setText($('slow-summary'), parts.join(' '));
  $('slow-list').hidden = sessions.length === 0;
  const make = ({ userId }) => {
    const row = tableRow(COLUMNS);
    const button = element('button', { type: 'button', className: 'quiet', textContent: userId });
    button.addEventListener('click', () => find(userId));
    row.parts[0].append(button);
    return row;
  };
  // A user may have several on one node that fell behind together.
  const alike = new Map();
  const keyed = sessions.map((session) => {
    const key = `${session.userId} ${session.node} ${session.since}`;
    alike.set(key, (alike.get(key) ?? 0) + 1);
    return { ...session, key: `${key} ${alike.get(key)}` };
  });
  reconcile($('slow-rows'), keyed, ({ key }) => key, make, (row, session) => {
    setText(row.parts[1], session.node);
    setText(row.parts[2], bytes(session.unprovenBytes));
    setText(row.parts[3], time(session.since));
  });
}
