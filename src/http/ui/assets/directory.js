// What the views of users, devices, roles and keys share.

import { call, path } from './api.js';
import { confirm } from './dialog.js';
import { h } from './dom.js';
import { t } from './i18n.js';
import { onChanges } from './live.js';
import { known } from './names.js';

// A view that is one list, which follows the changes of its kind.
export function directoryView(list, kind, above) {
  const stop = onChanges(async (changes) => {
    if (changes !== null && !changes.some(({ p }) => p.resource.name === kind)) return;
    await known();
    list.refresh();
  });
  return {
    node: h('div', { class: 'view' }, above, list.node),
    async start() {
      await known();
      await list.reload();
    },
    tick: list.tick,
    stop,
  };
}

// A button among many of the same text says what it is about.
export const named = (what, ...names) => ({ 'aria-label': `${what}: ${names.join(' · ')}` });

// What else can be done with a row.
export function menu(label, entries) {
  const there = entries.filter(Boolean);
  if (there.length === 0) return null;
  const node = h('details', { class: 'menu' }, h('summary', { class: 'button small quiet', ...named(t('more'), label) }, t('more')), h('div', null, there));
  node.addEventListener('click', (event) => event.target.closest('div') && (node.open = false));
  node.addEventListener('focusout', (event) => node.contains(event.relatedTarget) || (node.open = false));
  node.addEventListener('keydown', (event) => event.key === 'Escape' && ((node.open = false), node.firstChild.focus()));
  return node;
}

// Deletes a thing after a question that says what goes with it.
export function removing(kind, key, title, consequences) {
  return (row) =>
    confirm({
      title: t('delete.title', { name: title(row) }),
      text: [t(consequences, { name: title(row) }), t('delete.final')],
      label: t('delete'),
      act: () => call('DELETE', path(kind, key(row))),
      done: () => t('deleted', { name: title(row) }),
    });
}
