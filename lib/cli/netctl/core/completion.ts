/** What could stand at a place of a netctl command line. Names of objects are for the caller to find. Pure. */
import type { KindName } from '../../../model/objects/kind.ts';
import { defaultTenant } from '../../../model/site.ts';
import type { CommandRow } from './command.ts';
import type { FlagRow } from './flag-set.ts';
import { namesOfRow } from './names.ts';
import {
  commandTable,
  families,
  globalFlags,
  helpCommand,
  helpFlag,
  versionFlag,
} from './table.ts';

/** Names of objects of a kind that could stand there. */
export interface NetctlNames {
  readonly kind: KindName;
  /** The part of the key behind the tenant, and the parts before it. */
  readonly at: number;
  readonly before: readonly string[];
  /** Undefined for tenants themselves. */
  readonly tenant: string | undefined;
}

/** What could stand at a place. */
export interface NetctlCandidates {
  readonly words: readonly string[];
  readonly names?: NetctlNames;
}

/** What could stand behind `words`, those behind `netctl`. */
export function netctlCandidates(words: readonly string[]): NetctlCandidates {
  const top = readWords(words, globalFlags, 1);
  if (top.open !== undefined) return { words: [] };
  const [first] = top.plain;
  const own = commandTable.filter(({ family }) => family === undefined);
  if (first === undefined) {
    const all = [...own, ...families, helpCommand].map(({ name }) => name);
    return { words: [...all, ...dashed([...globalFlags, helpFlag, versionFlag])] };
  }
  // an agent that is not asked knows other names
  const isElsewhere = top.flags.has('netmaster');
  const command = own.find((row) => isCalled(row, first));
  if (command !== undefined) return ofCommand(command, top.rest, isElsewhere);
  const family = families.find((row) => isCalled(row, first));
  if (family === undefined) return { words: [] };
  const rows = commandTable.filter((row) => row.family === family.name);
  const [second, ...rest] = top.rest;
  if (second === undefined) {
    return { words: [...rows.map(({ name }) => name), helpCommand.name, ...dashed([helpFlag])] };
  }
  const row = rows.find((each) => isCalled(each, second));
  return row === undefined ? { words: [] } : ofCommand(row, rest, isElsewhere);
}

function ofCommand(
  row: CommandRow,
  args: readonly string[],
  isElsewhere: boolean,
): NetctlCandidates {
  const { plain, flags, open } = readWords(args, row.flags);
  if (open !== undefined) {
    const isTenant = open === 'tenant' && !isElsewhere;
    const tenants = { kind: 'tenant', at: 0, before: [], tenant: undefined } as const;
    return isTenant ? { words: [], names: tenants } : { words: [] };
  }
  const words = dashed([...row.flags, helpFlag]);
  const named = isElsewhere ? undefined : namesOfRow(row, plain.length);
  if (named === undefined) return { words };
  const tenant = named.ofTenant ? flags.get('tenant') || defaultTenant : undefined;
  return {
    words,
    names: { kind: named.kind, at: named.at, before: plain.slice(0, named.at), tenant },
  };
}

const isCalled = (
  { name, aliases = [] }: { readonly name: string; readonly aliases?: readonly string[] },
  word: string,
): boolean => name === word || aliases.includes(word);

const dashed = (rows: readonly FlagRow[]): readonly string[] =>
  rows.map(({ names: [name] }) => `--${name}`);

interface ReadWords {
  readonly plain: readonly string[];
  readonly flags: ReadonlyMap<string, string>;
  /** The flag whose value is to come, by its first name. */
  readonly open: string | undefined;
  /** What is behind the last word that was read. */
  readonly rest: readonly string[];
}

/** Reads flags and words, at most so many words. */
function readWords(
  all: readonly string[],
  rows: readonly FlagRow[],
  wordsMax = Number.POSITIVE_INFINITY,
): ReadWords {
  const plain: string[] = [];
  const flags = new Map<string, string>();
  let open: string | undefined;
  let at = 0;
  for (; at < all.length && plain.length < wordsMax; at += 1) {
    const word = all[at] ?? '';
    if (open !== undefined) {
      flags.set(open, word);
      open = undefined;
      continue;
    }
    const [, name, inline] = /^--?([^-=][^=]*)(?:=([^]*))?$/.exec(word) ?? [];
    const row = rows.find(({ names }) => name !== undefined && names.includes(name));
    if (name === undefined) plain.push(word);
    if (row === undefined || row.type === 'switch') continue;
    if (inline === undefined) open = row.names[0];
    else flags.set(row.names[0], inline);
  }
  return { plain, flags, open, rest: all.slice(at) };
}
