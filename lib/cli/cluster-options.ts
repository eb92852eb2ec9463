/** The options that cluster commands share, and how texts of a cluster are read. */
import { tokenTtlMaxMs, tokenTtlMinMs, tokenUsesMax } from '../limits.ts';
import { memberRoles, type MemberRole } from '../store/membership/rows.ts';
import { agentOptionTable } from './agent-options.ts';
import type { OptionRow, OptionTable } from './option.ts';
import { readOneOf, readWholeNumber, type Reader, type Reading } from './reading.ts';
import { versionOptionTable, type VersionOptions } from './version-text.ts';

/** Where the agent answers. */
export interface ApiOptions {
  readonly runDir: string;
  readonly apiSocket: string;
}
/** The options that say where the agent answers. */
export const apiOptions: OptionTable<ApiOptions> = {
  runDir: agentOptionTable.runDir,
  apiSocket: agentOptionTable.apiSocket,
};

/** The form of an answer. */
export interface OutputOptions extends ApiOptions, VersionOptions {}
/** The options of commands that show something. */
export const outputOptions: OptionTable<OutputOptions> = { ...versionOptionTable, ...apiOptions };

/** Where this host listens. */
export interface ListenOptions extends ApiOptions {
  readonly listen?: string;
  readonly advertise?: readonly string[];
}
/** The options that say where this host listens. */
export const listenOptions: OptionTable<ListenOptions> = {
  listen: {
    flag: 'listen',
    placeholder: 'ADDRESS:PORT',
    summary: 'where this host takes connections of other members',
    defaultShown: 'as before, at first all addresses and port 8470',
    defaultText: undefined,
    read: readListen,
  },
  advertise: {
    flag: 'advertise',
    placeholder: 'ADDRESS:PORT,…',
    summary: 'where other members reach this host',
    defaultShown: 'the addresses of this host',
    defaultText: undefined,
    read: readAddresses,
  },
  ...apiOptions,
};

/** What a token is for. */
export interface TokenOptions extends ListenOptions {
  readonly role: MemberRole;
  readonly ttlMs: number;
  readonly uses: number;
}
/** The options of `fairlead cluster token`. */
export const tokenOptions: OptionTable<TokenOptions> = {
  role: {
    flag: 'role',
    placeholder: 'ROLE',
    summary: `what the host becomes: ${memberRoles.join(', ')}`,
    defaultShown: 'observer',
    defaultText: 'observer',
    read: readOneOf(memberRoles),
  },
  ttlMs: {
    flag: 'ttl',
    placeholder: 'TIME',
    summary: 'how long the token is good for: 90s, 15m, 12h, 7d',
    defaultShown: '1h',
    defaultText: '1h',
    read: readDuration(tokenTtlMinMs, tokenTtlMaxMs),
  },
  uses: {
    flag: 'uses',
    placeholder: 'N',
    summary: 'how many hosts may join with it',
    defaultShown: '1',
    defaultText: '1',
    read: readWholeNumber(1, tokenUsesMax),
  },
  ...listenOptions,
};

/** A switch that is off unless it is given. */
export function switchRow(flag: string, summary: string): OptionRow<boolean> {
  return { flag, summary, defaultShown: 'off', defaultText: 'false', read: readSwitch };
}

function readSwitch(text: string): Reading<boolean> {
  return text === 'true' || text === 'false'
    ? { value: text === 'true' }
    : { mustBe: 'true or false' };
}

const unitsMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

function readDuration(minMs: number, maxMs: number): Reader<number> {
  return (text) => {
    const [, digits = '', unit = 's'] = /^([1-9][0-9]{0,6})([smhd])$/.exec(text) ?? [];
    const value = Number(digits) * unitsMs[unit as keyof typeof unitsMs];
    return digits !== '' && value >= minMs && value <= maxMs
      ? { value }
      : {
          mustBe: `a number with s, m, h or d behind it, from ${minMs / 1_000}s to ${maxMs / unitsMs.d}d`,
        };
  };
}

const hostPort = /^(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253}):([1-9][0-9]{0,4})$/;

function isAddress(text: string): boolean {
  return Number(hostPort.exec(text)?.[1] ?? 65_536) <= 65_535;
}

function readListen(text: string): Reading<string> {
  const value = /^:?[0-9]+$/.test(text) ? `[::]:${text.replace(':', '')}` : text;
  return isAddress(value)
    ? { value }
    : { mustBe: 'ADDRESS:PORT, [ADDRESS]:PORT for IPv6, or a port' };
}

function readAddresses(text: string): Reading<readonly string[]> {
  const value = text.split(',');
  return value.every(isAddress) && value.length <= 8
    ? { value }
    : { mustBe: 'one to eight of ADDRESS:PORT, with commas between' };
}
