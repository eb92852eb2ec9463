/** What commands of several families share: flags, cells and checks. */
import { parseAddress, parseInterface } from '../../../../ip/ip.ts';
import { FairleadError } from '../../../../errors.ts';
import type { FlagRow } from '../flag-set.ts';
import type { JsonObject } from '../shapes.ts';

/** `-t`: the tenant. */
export const tenantFlag: FlagRow = {
  names: ['tenant', 't'],
  type: 'text',
  initial: 'default',
  usage: 'tenant it belongs to',
};
/** `-a`: objects of all tenants. */
export const allFlag: FlagRow = {
  names: ['all', 'a'],
  type: 'switch',
  usage: 'of all tenants',
};
/** `-j`: JSON instead of a table. */
export const jsonFlag: FlagRow = {
  names: ['json', 'j'],
  type: 'switch',
  usage: 'as JSON',
};
/** `-q`: names instead of a table. */
export const quietFlag: FlagRow = {
  names: ['quiet', 'q'],
  type: 'switch',
  usage: 'names only',
};
/** The flags of `ls` for objects that belong to tenants. */
export const listFlags: readonly FlagRow[] = [tenantFlag, allFlag, jsonFlag, quietFlag];

/** A flag that takes a text. */
export function textFlag(names: FlagRow['names'], usage: string, initial?: string): FlagRow {
  return { names, type: 'text', usage, ...(initial === undefined ? {} : { initial }) };
}
/** A flag that takes a whole number. */
export function numberFlag(names: FlagRow['names'], usage: string, initial = 0): FlagRow {
  return { names, type: 'number', usage, initial };
}
/** A flag that may be given several times. */
export function textsFlag(names: FlagRow['names'], usage: string): FlagRow {
  return { names, type: 'texts', usage };
}

/** What is said when there are words that a command does not take. */
export const tooMany = { words: 0, otherwise: 'More arguments than required' } as const;

/** A line of cells: texts as they are, absent ones empty. */
export function cells(object: JsonObject, ...fields: readonly string[]): string {
  return fields.map((field) => cell(object, field)).join('\t');
}

/** A value as Go prints it; absent texts are empty. */
export function cell(object: JsonObject, field: string): string {
  const value = object[field];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** A number; absent ones are 0. */
export function count(object: JsonObject, field: string): string {
  return cell(object, field) || '0';
}

/** A list of texts; empty when absent. */
export function items(object: JsonObject, field: string): readonly string[] {
  const value = object[field];
  return Array.isArray(value) ? (value as readonly string[]) : [];
}

/** Whether a text is an address of either family. */
export function isAddress(text: string): boolean {
  return reads(() => parseAddress(text));
}
/** Whether a text is an address with a prefix length. */
export function isInterface(text: string): boolean {
  return text.includes('/') && reads(() => parseInterface(text));
}

function reads(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (thrown) {
    if (thrown instanceof FairleadError) return false;
    throw thrown;
  }
}
