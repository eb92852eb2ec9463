/** `--output`: the form of an answer. */
import type { OptionRow } from './option.ts';
import { readOneOf } from './reading.ts';

/** The option of a command that answers in these forms; the first is meant when none is given. */
export function formRow<Form extends string>(forms: readonly [Form, ...Form[]]): OptionRow<Form> {
  const [usual] = forms;
  return {
    flag: 'output',
    short: 'o',
    placeholder: 'FORM',
    summary: `form of the answer: ${forms.join(', ')}`,
    defaultShown: usual,
    defaultText: usual,
    read: readOneOf(forms),
  };
}
