/** Containers of this host that several groups ask for by their labels with equal right, as a condition. */
import type { Conditions } from '../conditions.ts';
import type { SiteRows } from '../network/site-rows.ts';

/** Raises and clears GROUPS_TIED. */
export function showTies(
  conditions: Conditions,
  rows: Pick<SiteRows, 'tiesOn' | 'siteEndpoints'>,
  host: string,
): void {
  const ties = [...rows.tiesOn(host)];
  const [first] = ties;
  conditions.set('GROUPS_TIED', first && textOf(rows, first, ties.length));
}

function textOf(
  rows: Pick<SiteRows, 'siteEndpoints'>,
  [where, groups]: readonly [Parameters<SiteRows['groupOf']>[0], readonly string[]],
  count: number,
): string {
  const { container } = rows.siteEndpoints(where).get(where.endpointId) ?? {};
  const name = container?.name.replace(/^\//, '') ?? where.endpointId;
  const place = `${where.network} of tenant ${where.tenant}`;
  return `${count} containers have the labels of several groups that ask for as many, and are in none of them (first: ${name} on network ${place}: groups ${groups.join(' and ')}); ask for one label more in the group that is meant`;
}
