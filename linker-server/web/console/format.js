// Numbers and times as people read them.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const timeOfDay = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const dayAndTime = new Intl.DateTimeFormat('en', { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

export const count = (number) => whole.format(number);

export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

// A second.
export function rate(number) {
  return number > 0 && number < 10 ? tenths.format(number) : whole.format(number);
}

export const percent = (share) => `${whole.format(share * 100)} %`;

export function bytes(number) {
  if (number < 1024) return `${count(number)} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let unit = -1;
  let left = number;
  do {
    left /= 1024;
    unit += 1;
  } while (left >= 1023.5 && unit < units.length - 1);
  return `${left < 10 ? tenths.format(left) : whole.format(left)} ${units[unit]}`;
}

// A point in time, ms since the epoch; with its day where that is not today.
export function time(ms) {
  const at = new Date(ms);
  const isToday = at.toDateString() === new Date().toDateString();
  return (isToday ? timeOfDay : dayAndTime).format(at);
}

// How long ago; the node's clock may be ahead of this one.
export function since(ms) {
  const seconds = Math.max(0, Math.round((Date.now() - ms) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} days`;
}

// `a`, `a and b`, `a, b and 3 more`.
export function listed(names, max = 3) {
  if (names.length > max) return `${names.slice(0, max - 1).join(', ')} and ${names.length - max + 1} more`;
  if (names.length < 2) return names.join('');
  return `${names.slice(0, -1).join(', ')} and ${names[names.length - 1]}`;
}

// What is typed is JSON, or else text.
export function contentOf(text) {
  try {
    return { content: JSON.parse(text), kind: 'JSON' };
  } catch {
    return { content: text, kind: 'text' };
  }
}
