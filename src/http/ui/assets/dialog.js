// Questions and forms above the page. The browser keeps the focus inside and
// gives it back.

import { button, h } from './dom.js';
import { t } from './i18n.js';
import { say } from './shell.js';

let number = 0;

// Opens a dialog around content that `build(close)` makes; answers what it was
// closed with, undefined when it was left.
export function open(title, build, props = {}) {
  return new Promise((resolve) => {
    number += 1;
    const id = `dialog-${number}`;
    let result;
    const close = (value) => {
      result = value;
      dialog.close();
    };
    const dialog = h(
      'dialog',
      {
        ...props,
        'aria-labelledby': id,
        on: {
          close: () => {
            dialog.remove();
            resolve(result);
          },
        },
      },
      h('h2', { id }, title),
      build(close),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

// Asks before something is done. `act` does it; what goes wrong is said inside.
export async function confirm({ title, text, act, label, kind = 'danger', done }) {
  const did = await open(title, (close) => {
    const error = h('p', { class: 'error', role: 'alert' });
    const yes = button(
      label,
      async () => {
        yes.disabled = true;
        try {
          close({ value: await act() });
        } catch (problem) {
          error.textContent = sentences(problem).join(' ');
          yes.disabled = false;
        }
      },
      kind,
    );
    return [
      h('div', { class: 'dialog-text' }, [text].flat().map((part) => h('p', null, part))),
      error,
      h('div', { class: 'dialog-buttons' }, button(t('cancel'), () => close(), '', { autofocus: true }), yes),
    ];
  });
  if (did && done) say(done(did.value));
  return did !== undefined;
}

export function sentences(problem) {
  if (problem.status === 0) return [t('error.network')];
  return problem.sentences ?? [String(problem)];
}
