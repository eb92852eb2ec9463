/**
 * Options as data. One row says everything about an option: its flag, what it takes, how it is read and
 * what it is when nobody says. Parsing, help text and documents are made from the rows, so that no
 * fact is written twice. Precedence: flag, then environment, then settings file, then default.
 */
import { FairleadError } from '../errors.ts';
import type { Reader } from './reading.ts';

/** What defaults may depend on besides constants. */
export interface DefaultFacts {
  /** The machine's own name. */
  readonly hostName: string;
  readonly stdoutIsTty: boolean;
  /** Text of an option further up in the same table, as given or by default. */
  readonly textOf: (flag: string) => string;
}

/** One option. The environment variable is made from the flag: `--data-dir` is FAIRLEAD_DATA_DIR. */
export interface OptionRow<Value> {
  /** Without the dashes. */
  readonly flag: string;
  /** One letter, where people type it often. */
  readonly short?: string;
  /** Stands for the value in help; without it the flag is a switch, read as `true`. */
  readonly placeholder?: string;
  readonly summary: string;
  /** The default as help shows it. */
  readonly defaultShown: string;
  /** The default as a user would have typed it; undefined leaves the option out. */
  readonly defaultText: string | undefined | ((facts: DefaultFacts) => string);
  /** True for one that may be given several times; its texts are then lines. */
  readonly isRepeatable?: boolean;
  /** False for what only a flag may say. */
  readonly hasVariable?: boolean;
  readonly read: Reader<Value>;
}

/** A word that a command takes besides its options, in the order of the command's list. */
export interface OperandRow {
  /** As help shows it, in capitals. */
  readonly name: string;
  readonly summary: string;
  readonly optional?: boolean;
}

/** Options by the name of the property that their value gets. */
export type OptionTable<Values> = {
  readonly [Name in keyof Values]-?: OptionRow<Exclude<Values[Name], undefined>>;
};

/** The rows of a table, in its order. */
export function rowsOf<Values extends object>(
  table: OptionTable<Values>,
): readonly OptionRow<unknown>[] {
  return Object.values<OptionRow<unknown>>(table);
}

/** Where texts come from: flags as parsed (by flag name), then the environment. */
export interface OptionSources {
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What a settings file says, by flag name, and its path; a flag and a variable win over it. */
  readonly settings?: { readonly path: string; readonly texts: Readonly<Record<string, string>> };
  /** Operands by name. */
  readonly operands: Readonly<Record<string, string | undefined>>;
  readonly hostName: string;
  readonly stdoutIsTty: boolean;
}

/** The environment variable of an option, if it has one. */
export function variableOf({ flag, hasVariable }: OptionRow<unknown>): string | undefined {
  return hasVariable === false ? undefined : environmentName(flag);
}

/** The environment variable of a flag: `--data-dir` is FAIRLEAD_DATA_DIR. */
export function environmentName(flag: string): string {
  return `FAIRLEAD_${flag.replaceAll('-', '_').toUpperCase()}`;
}

/**
 * The value of each option of the table; options without a value are absent. A variable that is set to
 * nothing counts as not set, since that is how environment files leave things out.
 * @throws USAGE for the first text that cannot be read
 */
export function readOptions<Values extends object>(
  table: OptionTable<Values>,
  sources: OptionSources,
): Values {
  const texts = new Map<string, string>();
  const facts: DefaultFacts = { ...sources, textOf: (flag) => texts.get(flag) ?? '' };
  const values: Record<string, unknown> = {};
  for (const [name, row] of Object.entries<OptionRow<unknown>>(table)) {
    const { text, origin } = textOf(row, sources, facts);
    if (text === undefined) continue;
    const reading = row.read(text);
    if ('mustBe' in reading) {
      throw new FairleadError('USAGE', `${origin} ${shorten(text)}`, {
        fix: `must be ${reading.mustBe}`,
      });
    }
    texts.set(row.flag, text);
    values[name] = reading.value;
  }
  return values as Values;
}

function textOf(
  row: OptionRow<unknown>,
  { flags, environment, settings }: OptionSources,
  facts: DefaultFacts,
): { text: string | undefined; origin: string } {
  const flagText = flags[row.flag];
  if (flagText !== undefined) return { text: flagText, origin: `--${row.flag}` };
  const variable = variableOf(row);
  const variableText = variable === undefined ? undefined : environment[variable];
  if (variable !== undefined && variableText !== undefined && variableText !== '') {
    return { text: variableText, origin: variable };
  }
  const setting = settings?.texts[row.flag];
  if (setting !== undefined) return { text: setting, origin: `${settings?.path}: ${row.flag}` };
  const { defaultText } = row;
  const text = typeof defaultText === 'function' ? defaultText(facts) : defaultText;
  return { text, origin: `default of --${row.flag}` };
}

/** Quoted, on one line, and cut where the beginning says enough. */
function shorten(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}
