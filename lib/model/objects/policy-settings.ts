/**
 * What tenants, networks and groups say of packets that no rule fits, and of those that are denied. Contiv had no such
 * settings: what its clients leave out stays as it is, and `inherit` takes back what was said.
 */
import type { TextField } from './kind.ts';

/** The fields. */
export const policySettings = {
  defaultAction: {
    type: 'text',
    format: 'defaultAction',
    contivLeavesOut: true,
    charactersMax: 8,
    words: ['inherit', 'allow', 'deny', 'deny-in', 'deny-out'],
    doc: 'What happens where no rule fits: `allow`, `deny`, or `deny-in` or `deny-out` for that direction only. A group inherits from its network, that from its tenant, and that allows.',
  },
  enforcement: {
    type: 'text',
    format: 'enforcement',
    contivLeavesOut: true,
    charactersMax: 8,
    words: ['inherit', 'enforce', 'audit'],
    doc: 'Whether what is denied is stopped (`enforce`) or only counted (`audit`). A group inherits from its network, that from its tenant, and that enforces.',
  },
} as const satisfies Readonly<Record<string, TextField>>;

/** What one of them says; nothing where it says nothing. */
export interface PolicySettings {
  readonly defaultAction: string;
  readonly enforcement: string;
}

/** What a configuration says: `inherit` is nothing. */
export function settingsOf({ defaultAction, enforcement }: PolicySettings): PolicySettings {
  const said = (text: string): string => (text === 'inherit' ? '' : text);
  return { defaultAction: said(defaultAction), enforcement: said(enforcement) };
}

/** What is said, without what is not, as rows have it. */
export function saidSettings({ defaultAction, enforcement }: PolicySettings): {
  readonly defaultAction?: string;
  readonly enforcement?: string;
} {
  return {
    ...(defaultAction === '' ? {} : { defaultAction }),
    ...(enforcement === '' ? {} : { enforcement }),
  };
}

/** The settings in a row that may have them. */
export const settingsIn = (row: {
  readonly defaultAction?: string | undefined;
  readonly enforcement?: string | undefined;
}): PolicySettings => ({
  defaultAction: row.defaultAction ?? '',
  enforcement: row.enforcement ?? '',
});
