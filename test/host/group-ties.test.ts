/** Containers that several groups ask for with equal right, as an operator is told. */
import { expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { Conditions } from '../../lib/conditions.ts';
import { showTies } from '../../lib/host/group-ties.ts';
import { tiedGroupsShownMax, tiesShownMax } from '../../lib/limits.ts';
import { SiteView, type RowChange } from '../../lib/network/site-view.ts';
import { hex, row } from '../support/site-row.ts';

const put = (key: string, value: object): RowChange => ({ type: 'put', row: row(key, value) });
const group = (groupName: string, number: number, selectors: readonly string[]) =>
  put(`/object/endpointGroup/t/${groupName}`, {
    config: { tenantName: 't', groupName, networkName: 'n', selectors },
    number,
  });
const endpoint = (id: number, host: string, more: object = {}) =>
  put(`/endpoint/t/n/${hex(id)}`, {
    ...{ id: hex(id), host, mac: `02:00:00:00:00:0${id}`, dockerNetworkId: hex('d') },
    container: { id: 'c', name: `/web-${id}`, labels: { app: 'web', env: 'test' } },
    ...more,
  });

/** What is told when all of this has come to a host. */
function toldOf(changes: readonly RowChange[]): string {
  const conditions = new Conditions(systemClock);
  const view = new SiteView('a');
  view.apply(changes);
  showTies(conditions, view.rows, 'a');
  return conditions.list()[0]?.message ?? '';
}

it('ties between different groups are all told, as far as a line goes', () => {
  const apart = (count: number) =>
    Array.from({ length: count }, (_, at) => [
      ...['x', 'y'].map((side, n) => group(`g${at}${side}`, 2 * at + n + 1, [`${side}=${at}`])),
      put(`/endpoint/t/n/${hex(at + 1)}`, {
        ...{ id: hex(at + 1), host: 'a', mac: `02:00:00:00:00:${at + 10}` },
        dockerNetworkId: hex('d'),
        container: { id: `c${at}`, name: `/web-${at}`, labels: { x: `${at}`, y: `${at}` } },
      }),
    ]).flat();
  const two = toldOf(apart(2));
  expect(two).toContain('2 containers');
  expect(two).toContain('web-0 on network n of tenant t: groups g0x and g0y; web-1 on ');
  expect(two).toContain('groups g1x and g1y)');
  const many = toldOf(apart(tiesShownMax + 1));
  expect(many.match(/: groups /g)).toHaveLength(tiesShownMax);
  expect(many).toContain('; and 1 more)');
  const equals = Array.from({ length: tiedGroupsShownMax + 2 }, (_, at) =>
    group(`g${at}`, at + 1, ['app=web']),
  );
  expect(toldOf([...equals, endpoint(1, 'a')])).toContain('groups g0 and g1 and ');
  expect(toldOf([...equals, endpoint(1, 'a')])).toContain('g7 and 2 more)');
});

it('a tie is told by the host of the container, with all groups, until nobody is tied', () => {
  const conditions = new Conditions(systemClock);
  const view = new SiteView('a');
  const told = (...changes: readonly RowChange[]) => {
    view.apply(changes);
    showTies(conditions, view.rows, 'a');
    return conditions
      .list()
      .map(({ code, severity, message }) => `${severity} ${code}: ${message}`);
  };
  const both = [group('web', 1, ['app=web']), group('test', 2, ['env=test'])];
  expect(told(...both, endpoint(1, 'b'), endpoint(2, 'a', { group: 'web' }))).toEqual([]);
  expect(told(endpoint(3, 'a'))).toEqual([
    'error GROUPS_TIED: 1 containers have the labels of several groups that ask for as many, and are in none of them (web-3 on network n of tenant t: groups test and web); ask for one label more in the group that is meant',
  ]);
  expect(told(endpoint(4, 'a'), group('also', 3, ['app=web']))).toEqual([
    expect.stringMatching(
      /: 2 containers .*\(web-\d and 1 more on .*: groups also and test and web\)/,
    ),
  ]);
  // one that asks for more has them
  expect(told(group('also', 3, ['app=web', 'env=test']))).toEqual([]);
  expect(told(group('also', 3, []))).toHaveLength(1);
  expect(told({ type: 'delete', key: '/object/endpointGroup/t/test' })).toEqual([]);
  expect(told(group('test', 2, ['env=test']))).toHaveLength(1);
  expect(
    told(...[3, 4].map((id): RowChange => ({ type: 'delete', key: `/endpoint/t/n/${hex(id)}` }))),
  ).toEqual([]);
});
