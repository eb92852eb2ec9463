/** Containers of this host that several groups ask for by their labels with equal right, as a condition. */
import type { Conditions } from '../conditions.ts';
import { tiedGroupsShownMax, tiesShownMax } from '../limits.ts';
import type { SiteRows } from '../network/site-rows.ts';

type Rows = Pick<SiteRows, 'tiesOn' | 'siteEndpoints'>;
type Tie = ReturnType<Rows['tiesOn']> extends Iterable<infer Each> ? Each : never;

/** Raises and clears GROUPS_TIED. */
export function showTies(conditions: Conditions, rows: Rows, host: string): void {
  const ties = [...rows.tiesOn(host)];
  conditions.set('GROUPS_TIED', ties.length === 0 ? undefined : textOf(rows, ties));
}

/** Containers that are tied between the same groups are told of together, by the first. */
function textOf(rows: Rows, ties: readonly Tie[]): string {
  const alike = new Map<string, [Tie, ...Tie[]]>();
  for (const tie of ties) {
    const [{ tenant, network }, groups] = tie;
    const key = [tenant, network, ...groups].join(' ');
    const known = alike.get(key);
    if (known === undefined) alike.set(key, [tie]);
    else known.push(tie);
  }
  const shown = [...alike.values()].slice(0, tiesShownMax).map((each) => tieText(rows, each));
  const rest = alike.size - shown.length;
  const more = rest === 0 ? '' : `; and ${rest} more`;
  return `${ties.length} containers have the labels of several groups that ask for as many, and are in none of them (${shown.join('; ')}${more}); ask for one label more in the group that is meant`;
}

function tieText(rows: Rows, [[where, groups], ...others]: readonly [Tie, ...Tie[]]): string {
  const { container } = rows.siteEndpoints(where).get(where.endpointId) ?? {};
  const name = container?.name.replace(/^\//, '') ?? where.endpointId;
  const who = others.length === 0 ? name : `${name} and ${others.length} more`;
  const shown = groups.slice(0, tiedGroupsShownMax);
  const rest = groups.length - shown.length;
  const names = [...shown, ...(rest === 0 ? [] : [`${rest} more`])].join(' and ');
  return `${who} on network ${where.network} of tenant ${where.tenant}: groups ${names}`;
}
