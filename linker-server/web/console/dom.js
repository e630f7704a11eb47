// Making and changing what is shown. Texts go in by textContent only: ids and messages are whatever somebody made them.

const NAMESPACE = 'http://www.w3.org/2000/svg';

export const $ = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// What has not changed is left alone: a selection stays, and a screen reader has nothing to tell.
export function setText(node, text) {
  const wanted = String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

// Makes the children of `parent` those of `items`, in order. `make` gives an element with what `update` needs; elements stay with their `key`, and the focus with them.
export function reconcile(parent, items, key, make, update) {
  parent.known ??= new Map();
  const gone = new Map(parent.known);
  let before = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let made = parent.known.get(name);
    if (!made) {
      made = make(item);
      parent.known.set(name, made);
    }
    gone.delete(name);
    update(made, item);
    if (made === before) before = before.nextElementSibling;
    else parent.insertBefore(made, before);
  }
  for (const [name, made] of gone) {
    made.remove();
    parent.known.delete(name);
  }
}

// A row of a table: a cell each, with its column's name for where there is no room for columns. The first one heads it.
export function tableRow(columns) {
  const cells = columns.map(([label, className = ''], place) => {
    const cell = element(place === 0 ? 'th' : 'td', { className });
    if (place === 0) cell.scope = 'row';
    cell.dataset.label = label;
    return cell;
  });
  return Object.assign(element('tr', {}, ...cells), { parts: cells });
}

// Asks before something that cannot be taken back.
export function confirmed(title, text, yes) {
  const dialog = $('confirm');
  setText($('confirm-title'), title);
  setText($('confirm-text'), text);
  setText($('confirm-yes'), yes);
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}

// Does what a form or a button stands for, once at a time, and says what went wrong.
export async function attempt(control, error, action) {
  if (control.dataset.busy) return;
  control.dataset.busy = 'yes';
  setText(error, '');
  try {
    await action();
  } catch (problem) {
    setText(error, problem.message);
  } finally {
    delete control.dataset.busy;
  }
}
