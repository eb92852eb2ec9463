/**
 * What could stand at a place of a command line: words of commands, flags, and names of objects that are there. The
 * scripts of shells ask for it with `fairlead __complete WORDS… PREFIX`, and get a candidate a line. For a command line of
 * netctl the first word is that.
 */
import { completionMs, completionNamesMax } from '../limits.ts';
import { defaultTenant } from '../model/site.ts';
import { documentKinds, partName } from '../model/objects/document.ts';
import type { ObjectKind } from '../model/objects/kind.ts';
import { describedKind } from '../model/objects/kinds.ts';
import { apiClient } from './api-client.ts';
import { apiOptions } from './cluster-options.ts';
import type { CommandRow, CommandSet } from './command.ts';
import { netctlCandidates } from './netctl/core/completion.ts';
import { nouns } from './objects/nouns.ts';
import { readOptions, type OptionRow, type OptionSources } from './option.ts';

/** The first word by which shells ask. */
export const completionWord = '__complete';

/** The first word of a command line of netctl. */
const netctlWord = 'netctl';

/** Names of objects that could stand there. */
export interface WantedNames {
  readonly kind: ObjectKind;
  /** The part of the key. */
  readonly at: number;
  /** The parts before it. */
  readonly before: readonly string[];
  readonly tenant: string | undefined;
}

/** What could stand at a place. */
export interface Candidates {
  readonly words: readonly string[];
  readonly names?: WantedNames;
}

/** What could stand behind `words`; `tenant` is the one that no flag says. */
export function candidatesOf(
  { commands }: CommandSet,
  words: readonly string[],
  tenant: string,
): Candidates {
  const row = commandIn(commands, words);
  const { plain, flags, open } = readWords(words, row?.options ?? []);
  const ofTenant = flags.get('tenant') ?? tenant;
  if (open !== undefined) {
    const tenants = nouns.find(({ name }) => name === 'tenant');
    const isTenant = open === 'tenant' && tenants !== undefined;
    return isTenant
      ? { words: [], names: { kind: tenants.kind, at: 0, before: [], tenant: undefined } }
      : { words: [] };
  }
  if (row === undefined) {
    const next = commands.flatMap(({ name }) => {
      const all = name.split(' ');
      return plain.every((word, at) => word === all[at]) ? (all[plain.length] ?? []) : [];
    });
    return { words: [...new Set([...next, '--help'])] };
  }
  const given = plain.slice(row.name.split(' ').length);
  const names = namesFor(row, given, ofTenant);
  const own = ['--help', ...row.options.map(({ flag }) => `--${flag}`)];
  return names === undefined ? { words: own } : { words: own, names };
}

function commandIn(
  commands: readonly CommandRow[],
  words: readonly string[],
): CommandRow | undefined {
  return commands.find(({ name }) => name.split(' ').every((word, at) => word === words[at]));
}

interface ReadWords {
  /** Words that are no flags nor their values. */
  readonly plain: readonly string[];
  readonly flags: ReadonlyMap<string, string>;
  /** The flag whose value is to come. */
  readonly open: string | undefined;
}

function readWords(words: readonly string[], options: readonly OptionRow<unknown>[]): ReadWords {
  const plain: string[] = [];
  const flags = new Map<string, string>();
  let open: string | undefined;
  for (const word of words) {
    if (open !== undefined) {
      flags.set(open, word);
      open = undefined;
      continue;
    }
    const row = options.find(({ flag, short }) => word === `--${flag}` || word === `-${short}`);
    if (row === undefined && !word.startsWith('-')) plain.push(word);
    open = row?.placeholder === undefined ? undefined : row.flag;
  }
  return { plain, flags, open };
}

/** Something new has no name yet; everything else is called by one that is there. */
function namesFor(
  { name }: CommandRow,
  given: readonly string[],
  tenant: string,
): WantedNames | undefined {
  const [word = '', verb = ''] = name.split(' ');
  const noun = nouns.find((each) => each.name === word && each.kind.access === 'all');
  if (noun === undefined) return undefined;
  const isLast = given.length === noun.operands.length - 1;
  const isThere = ['get', 'set', 'rm'].includes(verb) || (verb === 'create' && !isLast);
  if (!isThere || given.length >= noun.operands.length) return undefined;
  const ofTenant = noun.ofTenant ? tenant : undefined;
  return { kind: noun.kind, at: given.length, before: given, tenant: ofTenant };
}

/** Answers a shell: a candidate a line. Never refuses: who types wants no message. */
export async function completionText(
  commands: CommandSet,
  words: readonly string[],
  sources: OptionSources,
): Promise<string> {
  const prefix = words.at(-1) ?? '';
  const found = foundFor(commands, words.slice(0, -1), sources);
  const isFlag = prefix.startsWith('-');
  const own = found.words.filter((word) => isFlag || !word.startsWith('-'));
  const names = found.names === undefined || isFlag ? [] : await namesOf(found.names, sources);
  const fit = [...own, ...names].filter((word) => word.startsWith(prefix));
  return fit.map((word) => `${word}\n`).join('');
}

function foundFor(
  commands: CommandSet,
  words: readonly string[],
  { environment }: OptionSources,
): Candidates {
  const [first, ...rest] = words;
  if (first !== netctlWord) {
    return candidatesOf(commands, words, environment['FAIRLEAD_TENANT'] || defaultTenant);
  }
  const { words: own, names } = netctlCandidates(rest);
  const isElsewhere = (environment['NETMASTER'] ?? '') !== '';
  if (names === undefined || isElsewhere) return { words: own };
  return { words: own, names: { ...names, kind: describedKind(names.kind) } };
}

async function namesOf(wanted: WantedNames, sources: OptionSources): Promise<readonly string[]> {
  const late = new Promise<readonly string[]>((resolve) => setTimeout(resolve, completionMs, []));
  return Promise.race([askedNames(wanted, sources).catch(() => []), late]);
}

async function askedNames(
  { kind, at, before, tenant }: WantedNames,
  sources: OptionSources,
): Promise<readonly string[]> {
  const { apiSocket } = readOptions(apiOptions, sources);
  const fields = kind.key.slice(tenant === undefined ? 0 : 1).map((field) => partName(kind, field));
  const conditions = [
    ...(tenant === undefined ? [] : [`tenant=${tenant}`]),
    ...before.map((word, place) => `${fields[place] ?? ''}=${word}`),
  ];
  const selector = encodeURIComponent(conditions.join(','));
  // the last part but one is the name of another kind: rules of a policy
  const isOther = at < fields.length - 1;
  const other = documentKinds.find(({ name }) => isOther && name === fields[at]);
  const path = `/v1/${(other ?? kind).plural}?limit=${completionNamesMax}&selector=${selector}`;
  const page = (await apiClient(apiSocket).ask({ method: 'GET', path })) as {
    readonly items: readonly { readonly metadata: Readonly<Record<string, string>> }[];
  };
  const part = other === undefined ? (fields[at] ?? 'name') : 'name';
  const names = page.items.map(({ metadata }) => metadata[part] ?? '');
  // a line is a candidate
  return names.filter((name) => !/[\p{Cc}\s]/u.test(name));
}
