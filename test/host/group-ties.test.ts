/** Containers that several groups ask for with equal right, as an operator is told. */
import { expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { Conditions } from '../../lib/conditions.ts';
import { showTies } from '../../lib/host/group-ties.ts';
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
    'error GROUPS_TIED: 1 containers have the labels of several groups that ask for as many, and are in none of them (first: web-3 on network n of tenant t: groups test and web); ask for one label more in the group that is meant',
  ]);
  expect(told(endpoint(4, 'a'), group('also', 3, ['app=web']))).toEqual([
    expect.stringMatching(/: 2 containers .*\(first: web-\d .*: groups also and test and web\)/),
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
