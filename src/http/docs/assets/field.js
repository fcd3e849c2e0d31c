// A control with its label, and texts with code in them.

import { h } from '../ui/dom.js';

let number = 0;

export function field(label, control, hint) {
  number += 1;
  control.id = `field-${number}`;
  if (hint) control.setAttribute('aria-describedby', `hint-${number}`);
  const told = hint && h('span', { class: 'hint', id: `hint-${number}` }, prose(hint));
  return { control, node: h('div', { class: 'field' }, h('label', { for: control.id }, label), control, told) };
}

// A text in which `backticks` mark code.
export function prose(text) {
  return text.split('`').map((part, at) => (at % 2 === 1 ? h('code', null, part) : part));
}
