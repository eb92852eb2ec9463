/** What a netctl command is, as data, and what those that are more than data get to work with. */
import { exitCodes, NetctlError } from './ending.ts';
import type { FlagRow, Given } from './flag-set.ts';
import type { Netmaster, Transport } from './netmaster.ts';
import type { KindName } from '../../../model/objects/kind.ts';
import type { JsonObject } from './shapes.ts';
import type { TabOptions } from './tabwriter.ts';

/** What the user gave, by name. */
export interface Input {
  text(flag: string): string;
  number(flag: string): number;
  isOn(flag: string): boolean;
  texts(flag: string): readonly string[];
  /** False where the value is the flag's own initial one. */
  isGiven(flag: string): boolean;
  /** A word by its place; empty when there are fewer. */
  word(at: number): string;
}

/** What a table shows. */
export interface Table {
  /** Heads and rule as lines of cells with tabs between them. */
  readonly heads: string;
  readonly row: (object: JsonObject) => string;
  readonly layout?: TabOptions;
}

/** What a command does. Most do one of four things; `run` is for the others. */
export type Action =
  | {
      readonly does: 'create';
      readonly kind: KindName;
      readonly object: (input: Input) => JsonObject;
      /** Printed when it was done. */
      readonly after?: (input: Input) => string;
    }
  | {
      readonly does: 'remove';
      readonly kind: KindName;
      readonly key: (input: Input) => readonly string[];
      /** Printed before it is asked for. */
      readonly before?: (input: Input) => string;
    }
  | {
      readonly does: 'inspect';
      readonly kind: KindName;
      readonly key: (input: Input) => readonly string[];
    }
  | {
      readonly does: 'list';
      readonly kind: KindName;
      /** Whether only objects of one tenant are shown, which has to exist. */
      readonly ofTenant: boolean;
      /** The field that `-q` prints; without it `-q` changes nothing. */
      readonly quiet?: string;
      readonly table: Table;
    }
  | { readonly does: 'run'; readonly run: (tools: Tools) => Promise<void> }
  | { readonly does: 'help' };

/** One command. */
export interface CommandRow {
  /** The word before it, by its first name. */
  readonly family?: string;
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly usage: string;
  /** Its words as help shows them. */
  readonly words?: string;
  readonly flags: readonly FlagRow[];
  /** How many words it takes, and what is said when there are more or fewer. */
  readonly takes?: {
    readonly words: number;
    readonly orMore?: boolean;
    readonly otherwise: string;
  };
  /** Checks before anything is asked. @throws NetctlError */
  readonly check?: (input: Input) => void;
  readonly action: Action;
}

/** A word that several commands share. */
export interface FamilyRow {
  readonly action?: never;
  readonly words?: never;
  readonly flags?: never;
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly usage: string;
}

/** A version as netmaster and netctl tell it. */
export interface VersionFacts {
  readonly Version: string;
  readonly GitCommit: string;
  readonly BuildTime: string;
}

/** What commands work with besides their input. */
export interface Surroundings {
  readonly writeOut: (text: string) => void;
  /** Text to standard error, as it is. */
  readonly writeError: (text: string) => void;
  /** The server that was named, with the user's token. @throws NetctlError */
  netmaster(): Promise<Netmaster>;
  /** The server that was named, without it. */
  transport(): Transport;
  /** The URL of the server. */
  readonly serverUrl: string;
  readonly clientVersion: VersionFacts;
  /** Asks the person. @throws NetctlError */
  askLine(question: string): Promise<string>;
  askSecret(question: string): Promise<string>;
  /** Keeps what a login answered, for the next command. @throws NetctlError */
  keepToken(text: string): Promise<void>;
}

/** Surroundings and input of a command. */
export interface Tools extends Surroundings {
  readonly input: Input;
}

/** Input from what the flag parser found. */
export function inputOf({ values, named, words }: Given): Input {
  return {
    text: (flag) => String(values.get(flag) ?? ''),
    number: (flag) => Number(values.get(flag) ?? 0),
    isOn: (flag) => values.get(flag) === true,
    texts(flag) {
      const value = values.get(flag);
      return Array.isArray(value) ? (value as readonly string[]) : [];
    },
    isGiven: (flag) => named.has(flag),
    word: (at) => words[at] ?? '',
  };
}

/** Wrong arguments; some are followed by help. */
export function usageError(message: string, showHelp: 'help' | 'no help'): NetctlError {
  return new NetctlError(exitCodes.usage, message, { showHelp: showHelp === 'help' });
}
