/** `fairlead ipam …`: who has which address, thin, through the agent's API. */
import type { AddressCheck } from '../host/ipam-check.ts';
import { apiClient } from './api-client.ts';
import { apiOptions, type ApiOptions } from './cluster-options.ts';
import { columns } from './cluster-text.ts';
import type { CommandRow } from './command.ts';
import { formRow } from './form-option.ts';
import { readOptions, rowsOf, type OptionTable } from './option.ts';

const forms = ['table', 'json'] as const;

interface CheckOptions extends ApiOptions {
  readonly output: (typeof forms)[number];
}

const checkOptions: OptionTable<CheckOptions> = {
  output: formRow(forms),
  ...apiOptions,
};

/** What a check found, as a person reads it. */
export function checkText(check: AddressCheck): string {
  const { host, networks, addresses, endpoints, differences, unseen } = check;
  const looked = `${networks} networks, ${addresses} addresses held, ${endpoints} endpoints, seen from host ${host}`;
  const missing = unseen.map((what) => `not looked at: ${what}\n`).join('');
  if (differences.length === 0) {
    const verdict = unseen.length === 0 ? 'all agree' : 'no difference in what could be looked at';
    return `${verdict}: ${looked}\n${missing}`;
  }
  const rows = differences.map(({ network, address, kind, what }) => [
    network === '' ? '-' : network,
    address === '' ? '-' : address,
    kind,
    what,
  ]);
  const fixes = [...new Map(differences.map(({ kind, fix }) => [kind, fix]))];
  return [
    columns([['NETWORK', 'ADDRESS', 'KIND', 'WHAT'], ...rows]),
    ...fixes.map(([kind, fix]) => `fix: ${kind}: ${fix}\n`),
    `${differences.length} differences: ${looked}\n`,
    missing,
  ].join('');
}

const checkCommand: CommandRow = {
  name: 'ipam check',
  summary: 'compare who has which address: in the store, by Docker, on the switch',
  notes: `Looks at the store as all hosts see it, at the Docker engine of this host and at the flows that its bridge
has, twice if something differs: what containers that come and go differ in for a moment is not shown. Nothing is
changed. Run it on each host, for its engine and its switch.

Exit code 0: all agree. 1: something differs, or could not be looked at. Others: docs/errors.md.
docs/ipam.md says what each kind of difference means.

Example:
  fairlead ipam check -o json`,
  options: rowsOf(checkOptions),
  async run({ sources, writeOut }) {
    const { apiSocket, output } = readOptions<CheckOptions>(checkOptions, sources);
    const asked = { method: 'GET', path: '/v1/ipam/check' } as const;
    const check = (await apiClient(apiSocket).ask(asked)) as AddressCheck;
    writeOut(output === 'json' ? `${JSON.stringify(check)}\n` : checkText(check));
    return check.differences.length + check.unseen.length === 0 ? 0 : 1;
  },
};

/** The commands of the group. */
export const ipamCommands: readonly CommandRow[] = [checkCommand];
