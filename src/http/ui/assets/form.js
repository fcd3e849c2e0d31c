// Forms in dialogs: fields with labels, errors beside what they are about.

import { button, h } from './dom.js';
import { open, sentences } from './dialog.js';
import { t } from './i18n.js';

let number = 0;

function labelled(label, hint, control) {
  number += 1;
  control.id = `field-${number}`;
  const error = h('span', { class: 'error', id: `error-${number}` });
  const described = [hint && `hint-${number}`, error.id].filter(Boolean).join(' ');
  control.setAttribute('aria-describedby', described);
  const node = h(
    'div',
    { class: 'field' },
    h('label', { for: control.id }, label),
    control,
    hint && h('span', { class: 'hint', id: `hint-${number}` }, hint),
    error,
  );
  const setError = (text) => {
    error.textContent = text;
    control.toggleAttribute('aria-invalid', text !== '');
    if (text) control.setAttribute('aria-invalid', 'true');
  };
  return { node, setError };
}

export function text(key, label, value = '', { hint, type = 'text', ...props } = {}) {
  const control = h('input', { type, value, autocomplete: 'off', ...props });
  return { key, control, read: () => control.value, ...labelled(label, hint, control) };
}

export function choice(key, label, value, options, { hint, ...props } = {}) {
  const control = h('select', props, options.map(([one, shown]) => h('option', { value: one }, shown)));
  control.value = value ?? options[0]?.[0] ?? '';
  return { key, control, read: () => control.value, ...labelled(label, hint, control) };
}

export function tick(key, label, value, { hint } = {}) {
  number += 1;
  const control = h('input', { type: 'checkbox', checked: value, id: `field-${number}` });
  const more = hint && h('span', { class: 'hint', id: `hint-${number}` }, hint);
  if (more) control.setAttribute('aria-describedby', more.id);
  const node = h('div', { class: 'field tick' }, control, h('label', { for: control.id }, label), more);
  return { key, control, node, read: () => control.checked, setError: () => {} };
}

// Several of a list.
export function several(key, label, chosen, options) {
  const boxes = options.map(([value, shown]) => {
    const box = h('input', { type: 'checkbox', value, checked: chosen.includes(value) });
    return { box, node: h('label', { class: 'chip' }, box, h('bdi', null, shown)) };
  });
  const node = h('fieldset', null, h('legend', null, label), h('div', { class: 'chips' }, boxes.map((one) => one.node)));
  const read = () => boxes.filter((one) => one.box.checked).map((one) => one.box.value);
  return { key, node, read, setError: () => {} };
}

// Something of one's own among the fields.
export function custom(key, node, read) {
  return { key, node, read, setError: () => {} };
}

// A form of fields: `send(values)` does the work; its problems are shown where
// they belong. Answers the node and how to put the focus into it.
export function form(fields, { send, label, kind = 'primary', cancel }) {
  const error = h('p', { class: 'error', role: 'alert' });
  const submit = h('button', { type: 'submit', class: `button ${kind}` }, label);
  const show = (problem) => {
    const errors = problem.body?.errors ?? [];
    const left = errors.filter((one) => {
      const field = fields.find((field) => one.memberName.toLowerCase().split(/[.[]/)[0] === field.key?.toLowerCase());
      field?.setError(one.message);
      return !field?.control;
    });
    const elsewhere = errors.length === 0 ? sentences(problem) : left.map((one) => `${one.memberName}: ${one.message}`);
    error.textContent = elsewhere.join(' ');
  };
  const node = h(
    'form',
    {
      novalidate: true,
      on: {
        submit: async (event) => {
          event.preventDefault();
          error.textContent = '';
          for (const field of fields) field.setError('');
          submit.disabled = true;
          try {
            await send(Object.fromEntries(fields.map((field) => [field.key, field.read()])));
          } catch (problem) {
            show(problem);
            (fields.find((field) => field.control?.getAttribute('aria-invalid')) ?? fields[0]).control?.focus();
          } finally {
            submit.disabled = false;
          }
        },
      },
    },
    fields.map((field) => field.node),
    error,
    h('div', { class: 'dialog-buttons' }, cancel && button(t('cancel'), cancel), submit),
  );
  return node;
}

// The same in a dialog; answers what `send` has answered, undefined when left.
export function ask(title, fields, { send, label, kind, intro }) {
  return open(title, (close) => [
    intro && h('p', { class: 'dialog-text' }, intro),
    form(fields, { send: async (values) => close(await send(values)), label, kind, cancel: () => close() }),
  ]);
}
