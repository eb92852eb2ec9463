/** What is Go's in netctl, against what Go itself printed. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  parseCommandFlags,
  parseFlags,
  type FlagRow,
} from '../../../lib/cli/netctl/core/flag-set.ts';
import { indentedJson, quoted, readInteger } from '../../../lib/cli/netctl/core/go-text.ts';
import { helpLayout, tableLayout, tabulate } from '../../../lib/cli/netctl/core/tabwriter.ts';
import golden from './golden/go-1.19.json' with { type: 'json' };

const rows: readonly FlagRow[] = [
  { names: ['s'], type: 'text', initial: 'd', usage: '' },
  { names: ['n'], type: 'number', initial: 1, usage: '' },
  { names: ['b'], type: 'switch', usage: '' },
  { names: ['h'], type: 'switch', usage: '' },
];

test.each(golden.tables)('columns of %j', ({ text, table, help }) => {
  expect(tabulate(text, tableLayout)).toBe(table);
  expect(tabulate(text, helpLayout)).toBe(help);
});

test.each(golden.texts)('%j quoted, and in JSON', ({ text, quoted: inQuotes, json }) => {
  expect(quoted(text)).toBe(inQuotes);
  expect(indentedJson({ a: text, e: [], l: [text] })).toBe(json);
});

describe('flags', () => {
  test.each(golden.flags)('$args', ({ args, error, s, n, b, words }) => {
    const outcome = parseFlags(rows, args);
    if (error !== '') {
      expect(outcome).toEqual({ ok: false, complaint: error });
      return;
    }
    const { values, words: rest } = outcome.ok ? outcome.given : expect.fail(outcome.complaint);
    expect(rest).toEqual(words);
    expect(Object.fromEntries(values)).toEqual({ s, n, b, h: false });
  });

  const list: readonly FlagRow[] = [
    ...rows,
    { names: ['policy', 'p'], type: 'texts', usage: '' },
    { names: ['tenant', 't'], type: 'text', initial: 'default', usage: '' },
  ];
  const given = (...args: readonly string[]) => {
    const outcome = parseCommandFlags(list, args);
    if (!outcome.ok) return outcome.complaint;
    const { values, words } = outcome.given;
    return [values.get('s'), values.get('policy'), values.get('tenant'), ...words];
  };

  test('of a command stand before or behind its words', () => {
    expect(given('-s', 'x', 'a', 'c')).toEqual(['x', [], 'default', 'a', 'c']);
    expect(given('a', 'c', '-s', 'x')).toEqual(['x', [], 'default', 'a', 'c']);
    // words in front of the first flag end up behind what follows the last one
    expect(given('a', '-s', 'x', 'c', '-t', 'y')).toEqual([
      'x',
      [],
      'default',
      'c',
      '-t',
      'y',
      'a',
    ]);
  });

  test('that repeat are a list, and two names are one flag', () => {
    expect(given('-p', 'one', '--policy=two')).toBe(
      'Cannot use two forms of the same flag: policy p',
    );
    expect(given('-p', 'one', '-p', 'two')).toEqual(['d', ['one', 'two'], 'default']);
    expect(given('--t', 'blue')).toEqual(['d', [], 'blue']);
  });

  test('end at two dashes, where no word stands in front', () => {
    expect(given('--', '-s', 'x')).toEqual(['d', [], 'default', '-s', 'x']);
    expect(given('-s', 'x', '--', '-t')).toEqual(['x', [], 'default', '-t']);
    expect(given('a', '-s', 'x', '--', '-t')).toEqual(['x', [], 'default', 'a', '--', '-t']);
  });

  test('any words give an outcome, and what is no flag is kept', () => {
    const word = fc.oneof(fc.string(), fc.constantFrom('-s', '-p', '-b', '--', '-n', '-', '--t=1'));
    fc.assert(
      fc.property(fc.array(word), (args) => {
        const outcome = parseCommandFlags(list, args);
        if (!outcome.ok) expect(outcome.complaint).not.toBe('');
        else expect(args).toEqual(expect.arrayContaining([...outcome.given.words]));
      }),
    );
  });
});

test('numbers read as Go reads them are written back the same', () => {
  fc.assert(
    fc.property(fc.integer(), (number) => {
      expect(readInteger(String(number))).toBe(number);
      const hex = `${number < 0 ? '-' : ''}0x${Math.abs(number).toString(16)}`;
      expect(readInteger(hex)).toBe(number);
    }),
  );
});
