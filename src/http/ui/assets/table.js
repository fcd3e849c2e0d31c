// A list of the API as a table, a page at a time: filters, sorting and paging
// are the server's. On a phone its rows become cards (app.css).
//
// Rows stay where they are and change what they show, so nothing on the page
// jumps when the list does. While somebody moves over the rows, no place is
// given to another, and an open menu stays open, also when the answer to an
// earlier question comes then; the focus goes with what it is on.

import { button, h } from './dom.js';
import { sentences } from './dialog.js';
import { number, t } from './i18n.js';

const TYPING_MS = 250;
// A pointer that has rested for so long is not about to press anything.
const RESTED_MS = 2500;

// What an answer waits for before it is shown: nothing, when somebody has asked
// for just these rows; an open menu or dialog; or whoever is at the rows.
const NOTHING = 0;
const MENUS = 1;
const HANDS = 2;

// columns: {key, label, cell(row), sort?: key of the API, ticks?: its text grows older}
// load({skip, take, sort, filters}): a page; actions(row): buttons.
export function table({ label, columns, load, actions, empty, filters = [], sort, take = 50, className, tools = [] }) {
  let order = sort;
  let skip = 0;
  let total = 0;
  let shown = [];
  let asked = 0;
  let answered = 0;
  let patience = NOTHING;
  let typing = 0;
  let waits = false;
  let moved = 0;

  const all = actions ? [...columns, { key: 'actions', label: t('actions') }] : columns;
  const heads = all.map((column) => {
    const head = h('th', { scope: 'col', role: 'columnheader', class: `c-${column.key}` });
    if (!column.sort) {
      head.append(column.key === 'actions' ? h('span', { class: 'hidden' }, column.label) : column.label);
      return head;
    }
    head.append(h('button', { type: 'button', on: { click: () => sortBy(column.sort) } }, column.label));
    head.dataset.sort = column.sort;
    return head;
  });
  const body = h('tbody', { role: 'rowgroup' });
  const count = h('span', { class: 'count', role: 'status' });
  const fresh = button(t('table.fresh'), () => reload(), 'fresh');
  fresh.hidden = true;
  const back = button('‹', () => turn(-take), 'page', { 'aria-label': t('table.back') });
  const on = button('›', () => turn(take), 'page', { 'aria-label': t('table.on') });
  const note = h('p', { class: 'empty' });
  const sorts = columns.filter((column) => column.sort);
  const sortChoice = h(
    'select',
    { 'aria-label': t('table.sort'), class: 'sort-choice', on: { change: () => sortBy(sortChoice.value, false) } },
    sorts.flatMap((column) => [
      h('option', { value: column.sort }, `${column.label} ↑`),
      h('option', { value: `-${column.sort}` }, `${column.label} ↓`),
    ]),
  );
  const node = h(
    'section',
    { class: `list ${className ?? ''}`, 'aria-label': label },
    h(
      'div',
      { class: 'tools' },
      filters.map((filter) => filter.node),
      sorts.length > 1 && sortChoice,
      tools,
      h('div', { class: 'pager' }, fresh, count, back, on),
    ),
    h(
      'table',
      { role: 'table', 'aria-label': label },
      h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, heads)),
      body,
    ),
    note,
  );

  for (const filter of filters) {
    filter.node.addEventListener('input', () => {
      clearTimeout(typing);
      typing = setTimeout(() => turnTo(0), TYPING_MS);
    });
  }

  function sortBy(key, turns = true) {
    order = turns && order === key ? `-${key}` : key;
    turnTo(0);
  }

  function turn(by) {
    turnTo(Math.max(0, skip + by));
  }

  function turnTo(place) {
    skip = place;
    return reload(NOTHING);
  }

  function line() {
    const cells = all.map((column) => h('td', { role: 'cell', class: `c-${column.key}`, 'data-label': column.label }));
    return h('tr', { role: 'row' }, cells);
  }

  const identity = (row) => row?.sessionId ?? row?.id ?? row?.name ?? row?.number;

  // What has the focus: the row, and which of its controls.
  function focused() {
    const tr = document.activeElement?.closest?.('tr');
    if (!tr || !body.contains(tr)) return null;
    return { key: identity(tr.row), at: [...tr.querySelectorAll('button, summary')].indexOf(document.activeElement) };
  }

  function focus({ key, at }) {
    const tr = [...body.children].find((one) => identity(one.row) === key);
    tr?.querySelectorAll('button, summary')[at]?.focus();
  }

  function show(tr, row) {
    tr.row = row;
    tr.className = row.state ?? '';
    all.forEach((column, at) => {
      const content = column.key === 'actions' ? actions(row) : column.cell(row);
      tr.children[at].replaceChildren(...[content].flat().filter((one) => one !== null && one !== undefined && one !== false));
    });
  }

  function showAll() {
    const had = focused();
    while (body.children.length > shown.length) body.lastElementChild.remove();
    while (body.children.length < shown.length) body.append(line());
    shown.forEach((row, at) => show(body.children[at], row));
    if (had) focus(had);
    for (const head of heads) {
      const key = head.dataset.sort;
      if (!key) continue;
      if (order === key) head.setAttribute('aria-sort', 'ascending');
      else if (order === `-${key}`) head.setAttribute('aria-sort', 'descending');
      else head.removeAttribute('aria-sort');
    }
    sortChoice.value = order ?? '';
    const last = Math.min(total, skip + shown.length);
    count.textContent = total === 0 ? '' : t('table.count', { first: number(skip + 1), last: number(last), total: number(total) });
    back.disabled = skip === 0;
    on.disabled = last >= total;
    note.textContent = shown.length > 0 ? '' : empty;
    note.hidden = shown.length > 0;
  }

  async function reload(waitsFor = MENUS, worth = true) {
    // A question that is still under way is answered by this one.
    patience = answered === asked ? waitsFor : Math.min(patience, waitsFor);
    asked += 1;
    const mine = asked;
    waits = false;
    fresh.hidden = true;
    try {
      const page = await load({ skip, take, sort: order, filters: filters.flatMap((filter) => filter.read()) });
      // A later question is under way: its answer counts.
      if (mine !== asked) return;
      answered = asked;
      if (shown.length > 0 && isHeld(patience)) {
        wait(worth);
        return;
      }
      if (page.items.length === 0 && skip > 0) {
        await turnTo(Math.max(0, Math.floor((page.totalCount - 1) / take) * take));
        return;
      }
      ({ items: shown, totalCount: total } = page);
      showAll();
    } catch (problem) {
      if (mine !== asked) return;
      answered = asked;
      shown = [];
      total = 0;
      showAll();
      note.textContent = sentences(problem).join(' ');
      note.hidden = false;
    }
  }

  body.addEventListener('pointermove', () => (moved = Date.now()), { passive: true });

  function isHeld(by = HANDS) {
    if (by >= MENUS && document.querySelector('dialog[open], .menu[open]')) return true;
    return by >= HANDS && body.matches(':hover') && Date.now() - moved < RESTED_MS;
  }

  function wait(worth) {
    waits = true;
    if (worth) fresh.hidden = false;
  }

  return {
    node,
    reload: () => reload(),
    // Something has changed: at once, or when nobody is at the rows any more;
    // who may wait for it is told when it is `worth` that.
    refresh(worth = true) {
      if (isHeld()) {
        wait(worth);
        return Promise.resolve();
      }
      return reload(HANDS, worth);
    },
    rows: () => shown,
    again: (row) => {
      const at = shown.indexOf(row);
      if (at >= 0) show(body.children[at], row);
    },
    // The texts that grow older.
    tick() {
      all.forEach((column, at) => {
        if (!column.ticks) return;
        for (const tr of body.children) {
          const text = column.cell(tr.row);
          const cell = tr.children[at];
          if (cell.textContent !== text) cell.textContent = text;
        }
      });
      if (waits && !isHeld()) reload(HANDS);
    },
  };
}

// A field to search in; `read(text)` makes filters of what is typed.
export function search(label, read) {
  const input = h('input', { type: 'search', placeholder: label, 'aria-label': label, autocomplete: 'off' });
  return { node: h('div', { class: 'search' }, input), read: () => (input.value.trim() ? read(input.value.trim()) : []), input };
}

// One of a few; the first stands for all.
export function pick(label, options, read) {
  const select = h('select', { 'aria-label': label }, options.map(([value, shown]) => h('option', { value }, shown)));
  return { node: h('div', { class: 'pick' }, select), read: () => (select.value ? read(select.value) : []), select };
}
