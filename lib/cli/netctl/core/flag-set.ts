/**
 * Flags by the rules of Go's flag package, and of the library that Contiv put around it: `-flag`, `--flag`,
 * `-flag=value`, switches that need no value, nothing is a flag behind the first word that is none. A command
 * also takes flags behind its words, since the library moves the words in front of the first flag behind
 * all that follows it.
 */
import { quoted, readInteger, readTruth } from './go-text.ts';

/** What a flag takes. `texts` may be given several times. */
export type FlagType = 'text' | 'number' | 'switch' | 'texts';

/** One flag. */
export interface FlagRow {
  /** Its names as help lists them, without dashes: the long one first. The first names its value. */
  readonly names: readonly [string, ...string[]];
  readonly type: FlagType;
  /** The value without the flag; nothing, 0 or false when it is left out. */
  readonly initial?: string | number;
  /** A variable that stands for the flag. */
  readonly variable?: string;
  readonly usage: string;
}

/** The value of a flag. */
export type FlagValue = string | number | boolean | readonly string[];

/** What was given: values by the first name of each flag, and the words that are no flags. */
export interface Given {
  readonly values: ReadonlyMap<string, FlagValue>;
  /** First names of the flags that were there; the others have their initial values. */
  readonly named: ReadonlySet<string>;
  readonly words: readonly string[];
}

/** What was given, or what is wrong with it, in Go's words. */
export type FlagOutcome =
  | { readonly ok: true; readonly given: Given }
  | { readonly ok: false; readonly complaint: string };

type Environment = Readonly<Record<string, string | undefined>>;

/** Flags in front of words, as for the program and for a family of commands. */
export function parseFlags(
  rows: readonly FlagRow[],
  args: readonly string[],
  environment: Environment = {},
): FlagOutcome {
  const values = new Map(rows.map((row) => [row.names[0], initialOf(row, environment)]));
  const usedNames = new Map<string, string>();
  let at = 0;
  for (; at < args.length; at += 1) {
    const word = args[at] ?? '';
    if (word === '--') {
      at += 1;
      break;
    }
    if (!looksLikeFlag(word)) break;
    const [, name = '', , inline] = /^--?((?:[^=-][^=]*)?)(=([^]*))?$/.exec(word) ?? [];
    if (name === '') return wrong(`bad flag syntax: ${word}`);
    const row = rows.find(({ names }) => names.includes(name));
    if (row === undefined) return wrong(`flag provided but not defined: -${name}`);
    const [first] = row.names;
    const other = usedNames.get(first) ?? name;
    if (other !== name) return wrong(`Cannot use two forms of the same flag: ${name} ${other}`);
    usedNames.set(first, name);
    let text = inline;
    if (text === undefined && row.type === 'switch') text = 'true';
    if (text === undefined) {
      at += 1;
      text = args[at];
    }
    if (text === undefined) return wrong(`flag needs an argument: -${name}`);
    const reading = read(row, name, text, values.get(first));
    if ('complaint' in reading) return wrong(reading.complaint);
    values.set(first, reading.value);
  }
  const named = new Set(usedNames.keys());
  return { ok: true, given: { values, named, words: args.slice(at) } };
}

/** Flags of a command: also behind its words. */
export function parseCommandFlags(rows: readonly FlagRow[], args: readonly string[]): FlagOutcome {
  const end = args.indexOf('--');
  const terminator = end < 0 ? args.length : end;
  const first = args.findIndex((word, at) => at < terminator && looksLikeFlag(word));
  if (first < 0) return parseFlags(rows, args);
  return parseFlags(rows, [
    ...args.slice(first, terminator),
    ...args.slice(0, first),
    ...args.slice(terminator),
  ]);
}

function looksLikeFlag(word: string): boolean {
  return word.length > 1 && word.startsWith('-');
}

function initialOf(row: FlagRow, environment: Environment): FlagValue {
  const text = row.variable === undefined ? '' : (environment[row.variable] ?? '');
  switch (row.type) {
    case 'text':
      return text === '' ? (row.initial ?? '') : text;
    case 'number':
      return row.initial ?? 0;
    case 'switch':
      return readTruth(text) ?? false;
    case 'texts':
      return [];
  }
}

type Reading = { readonly value: FlagValue } | { readonly complaint: string };

function read(row: FlagRow, name: string, text: string, before: FlagValue | undefined): Reading {
  switch (row.type) {
    case 'text':
      return { value: text };
    case 'texts':
      return { value: [...(Array.isArray(before) ? (before as readonly string[]) : []), text] };
    case 'switch': {
      const value = readTruth(text);
      return value === undefined
        ? {
            complaint: `invalid boolean value ${quoted(text)} for -${name}: parse error`,
          }
        : { value };
    }
    case 'number': {
      const value = readInteger(text);
      return typeof value === 'number'
        ? { value }
        : {
            complaint: `invalid value ${quoted(text)} for flag -${name}: ${value}`,
          };
    }
  }
}

function wrong(complaint: string): FlagOutcome {
  return { ok: false, complaint };
}
