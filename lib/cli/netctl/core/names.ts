/** Which words of netctl commands name objects that are there. Pure. */
import type { KindName } from '../../../model/objects/kind.ts';
import { describedKind } from '../../../model/objects/kinds.ts';
import type { CommandRow } from './command.ts';

/** Objects that a word names. */
export interface NamedByWord {
  readonly kind: KindName;
  /** The part of the key behind the tenant. */
  readonly at: number;
  readonly ofTenant: boolean;
}

/** Commands of which the first word is an object that is there, though what they do does not say it. */
const others: Readonly<Record<string, KindName>> = {
  'group create': 'network',
  'policy rule-ls': 'policy',
  'policy rule-add': 'rule',
  'app-profile update': 'appProfile',
  'app-profile group-ls': 'appProfile',
};

/** What the word at a place names; undefined for one that is new, or that cannot be listed. */
export function namesOfRow(
  { family = '', name, action }: CommandRow,
  place: number,
): NamedByWord | undefined {
  const other = others[`${family} ${name}`];
  const isThere = action.does === 'inspect' || action.does === 'remove';
  const kind = other ?? (isThere ? action.kind : undefined);
  if (kind === undefined) return undefined;
  const { key, access } = describedKind(kind);
  const ofTenant = kind !== 'tenant' && key.includes('tenantName');
  // of what a command makes in another only that is there
  const parts = other === undefined ? key.length - (ofTenant ? 1 : 0) : 1;
  return access === 'all' && place < parts ? { kind, at: place, ofTenant } : undefined;
}
